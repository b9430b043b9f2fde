#include "kernels/softmax.h"

#include "bindings/common.h"

namespace pag {
namespace {

template <bool Log>
Array forward(const Array& input, int64_t dim) {
  const char* op = Log ? "log_softmax" : "softmax";
  const bool single = check_float(op, {&input});
  const Split s = split_at(op, input, dim);
  const Array x = contiguous(input);
  Array y = new_array(x.typenum(), x.ndim(), x.shape());
  KernelScope scope(x.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    softmax(Log, x.data<const T>(), s.outer, s.n, s.inner, y.data<T>());
  });
  return y;
}

template <bool Log>
Array grad(const Array& gradient, const Array& result, int64_t dim) {
  const char* op = Log ? "log_softmax_grad" : "softmax_grad";
  const bool single = check_float(op, {&gradient, &result});
  const Split s = split_at(op, result, dim);
  check_same_shape(op, "the gradient", gradient, "the result", result);
  const Array g = contiguous(gradient), y = contiguous(result);
  Array out = new_array(y.typenum(), y.ndim(), y.shape());
  KernelScope scope(y.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    softmax_grad(Log, g.data<const T>(), y.data<const T>(), s.outer, s.n, s.inner, out.data<T>());
  });
  return out;
}

}  // namespace

void bind_softmax(py::module_& m) {
  m.def("softmax", &forward<false>);
  m.def("log_softmax", &forward<true>);
  m.def("softmax_grad", &grad<false>);
  m.def("log_softmax_grad", &grad<true>);
}

}  // namespace pag
