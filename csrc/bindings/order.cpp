#include "kernels/order.h"

#include <limits>

#include "bindings/common.h"
#include "kernels/index.h"

namespace pag {
namespace {

[[noreturn]] void no_such_dtype(const char* op, const Array& a) {
  throw py::type_error(std::string(op) + ": dtype " + dtype_name(a.typenum()) +
                       " is not supported");
}

// The first `count` values in order along dim, and their positions.
py::tuple sort_binding(const Array& input, int64_t dim, bool descending, int64_t count) {
  const Split s = split_at("sort", input, dim);
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
  const auto run = [&](auto t) {
    using T = decltype(t);
    KernelScope scope(x.size());
    sort(x.data<const T>(), s.outer, s.n, s.inner, descending, count, values.data<T>(),
         positions.data<int64_t>());
  };
  switch (dtype_of(x.typenum())) {
    case kF32:
      run(float{});
      break;
    case kF64:
      run(double{});
      break;
    case kI64:
      run(int64_t{});
      break;
    case kI32:
      run(int32_t{});
      break;
    case kU8:
      run(uint8_t{});
      break;
    default:
      no_such_dtype("sort", x);
  }
  return py::make_tuple(values, positions);
}

Array running_sum_binding(const Array& input, int64_t dim, bool backwards) {
  const Split s = split_at("running_sum", input, dim);
  const Array x = contiguous(input);
  Array out = new_array(x.typenum(), x.ndim(), x.shape());
  const auto run = [&](auto t) {
    using T = decltype(t);
    KernelScope scope(x.size());
    running_sum(x.data<const T>(), s.outer, s.n, s.inner, backwards, out.data<T>());
  };
  switch (dtype_of(x.typenum())) {
    case kF32:
      run(float{});
      break;
    case kF64:
      run(double{});
      break;
    case kI64:
      run(int64_t{});
      break;
    case kI32:
      run(int32_t{});
      break;
    case kU8:
      if (x.typenum() == NPY_UBYTE) {
        run(uint8_t{});
        break;
      }
      [[fallthrough]];
    default:
      no_such_dtype("cumsum", x);
  }
  return out;
}

}  // namespace

void bind_order(py::module_& m) {
  m.def("sort", &sort_binding);
  m.def("running_sum", &running_sum_binding);
}

}  // namespace pag
