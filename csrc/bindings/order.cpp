#include "kernels/order.h"

#include <limits>

#include "bindings/common.h"
#include "kernels/index.h"

namespace pag {
namespace {

// run(T{}) of the type in which x is computed.
template <class Run>
void with_dtype(const Array& x, Run&& run) {
  KernelScope scope(x.size());
  with_dtype(static_cast<DType>(dtype_of(x.typenum())), run);
}

void check_dtype(const char* op, const Array& x, bool known) {
  if (!known)
    throw py::type_error(std::string(op) + ": dtype " + dtype_name(x.typenum()) +
                         " is not supported");
}

// The first `count` values in order along dim, and their positions.
py::tuple sort_binding(const Array& input, int64_t dim, bool descending, int64_t count) {
  const Split s = split_at("sort", input, dim);
  check_dtype("sort", input, dtype_of(input.typenum()) >= 0);
  if (count < 0 || count > s.n)
    throw py::value_error("sort: count " + std::to_string(count) + " is not within [0, " +
                          std::to_string(s.n) + "]");
  if (s.n > std::numeric_limits<uint32_t>::max())
    throw py::value_error("sort: a line of " + std::to_string(s.n) + " elements is too long");
  const Array x = contiguous(input);
  npy_intp dims[kMaxIndexDims];
  for (int d = 0; d < x.ndim(); ++d) dims[d] = d == dim ? count : x.shape(d);
  Array values = new_array(x.typenum(), x.ndim(), dims);
  Array positions = new_array(NPY_INT64, x.ndim(), dims);
  with_dtype(x, [&](auto t) {
    using T = decltype(t);
    sort(x.data<const T>(), s.outer, s.n, s.inner, descending, count, values.data<T>(),
         positions.data<int64_t>());
  });
  return py::make_tuple(values, positions);
}

Array running_sum_binding(const Array& input, int64_t dim, bool backwards) {
  const Split s = split_at("cumsum", input, dim);
  check_dtype("cumsum", input, dtype_of(input.typenum()) >= 0 && input.typenum() != NPY_BOOL);
  const Array x = contiguous(input);
  Array out = new_array(x.typenum(), x.ndim(), x.shape());
  with_dtype(x, [&](auto t) {
    using T = decltype(t);
    running_sum(x.data<const T>(), s.outer, s.n, s.inner, backwards, out.data<T>());
  });
  return out;
}

Array running_extreme_binding(const Array& input, int64_t dim, bool largest) {
  const Split s = split_at("running_extreme", input, dim);
  check_dtype("running_extreme", input, dtype_of(input.typenum()) >= 0);
  const Array x = contiguous(input);
  Array out = new_array(NPY_INT64, x.ndim(), x.shape());
  with_dtype(x, [&](auto t) {
    using T = decltype(t);
    running_extreme(largest, x.data<const T>(), s.outer, s.n, s.inner, out.data<int64_t>());
  });
  return out;
}

}  // namespace

void bind_order(py::module_& m) {
  m.def("sort", &sort_binding);
  m.def("running_sum", &running_sum_binding);
  m.def("running_extreme", &running_extreme_binding);
}

}  // namespace pag
