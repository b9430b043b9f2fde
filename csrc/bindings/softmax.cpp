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
  if (single)
    softmax(Log, x.data<const float>(), s.outer, s.n, s.inner, y.data<float>());
  else
    softmax(Log, x.data<const double>(), s.outer, s.n, s.inner, y.data<double>());
  return y;
}

template <bool Log>
Array grad(const Array& gradient, const Array& result, int64_t dim) {
  const char* op = Log ? "log_softmax_grad" : "softmax_grad";
  const bool single = check_float(op, {&gradient, &result});
  const Split s = split_at(op, result, dim);
  if (gradient.ndim() != result.ndim() ||
      !PyArray_CompareLists(gradient.shape(), result.shape(), result.ndim()))
    throw py::value_error(std::string(op) + ": shapes " + shape_string(gradient) + " and " +
                          shape_string(result) + " of the gradient and the result differ");
  const Array g = contiguous(gradient), y = contiguous(result);
  Array out = new_array(y.typenum(), y.ndim(), y.shape());
  KernelScope scope(y.size());
  if (single)
    softmax_grad(Log, g.data<const float>(), y.data<const float>(), s.outer, s.n, s.inner,
                 out.data<float>());
  else
    softmax_grad(Log, g.data<const double>(), y.data<const double>(), s.outer, s.n, s.inner,
                 out.data<double>());
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
