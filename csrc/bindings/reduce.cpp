#include "kernels/reduce.h"

#include <vector>

#include "bindings/common.h"

namespace pag {
namespace {

// Where a reduction over some dimensions goes: its passes and the shape of its result.
struct Plan {
  std::vector<ReducePass> passes;
  npy_intp shape[NPY_MAXDIMS_LEGACY_ITERS * 2];
  int ndim = 0;
};

// dims: each in [0, ndim), else IndexError naming `op`.
Plan plan_reduction(const char* op, const Array& x, const py::tuple& dims, bool keepdim) {
  const size_t ndim = static_cast<size_t>(x.ndim());
  std::vector<bool> reduced(ndim);
  for (const py::handle d : dims) {
    const int64_t dim = d.cast<int64_t>();
    split_at(op, x, dim);
    reduced[static_cast<size_t>(dim)] = true;
  }
  Plan plan;
  for (int d = 0; d < x.ndim(); ++d) {
    if (!reduced[static_cast<size_t>(d)])
      plan.shape[plan.ndim++] = x.shape(d);
    else if (keepdim)
      plan.shape[plan.ndim++] = 1;
  }
  plan.passes = reduce_passes(std::vector<int64_t>(x.shape(), x.shape() + ndim), reduced);
  return plan;
}

// scale * (sum of x over the dimensions dims). The order of additions depends on the shape alone;
// float32 is accumulated in float32 blocks and double.
Array reduce_sum(const Array& input, const py::tuple& dims, bool keepdim, double scale) {
  const bool single = check_float("sum", {&input});
  const Plan plan = plan_reduction("sum", input, dims, keepdim);
  const Array x = contiguous(input);
  Array out = new_array(input.typenum(), plan.ndim, plan.shape);
  KernelScope scope(x.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    std::vector<std::vector<double>> partial;
    sum<T>(x.data<const T>(), nullptr, plan.passes, scale, &partial, out.data<T>());
  });
  return out;
}

// The largest (or smallest) values over the dimensions dims. NaN propagates.
Array amax(const Array& input, const py::tuple& dims, bool keepdim, bool largest) {
  const char* op = largest ? "amax" : "amin";
  const bool single = check_float(op, {&input});
  const Plan plan = plan_reduction(op, input, dims, keepdim);
  for (const py::handle d : dims)
    if (input.shape(d.cast<int>()) == 0)
      throw py::index_error(std::string(op) + ": dimension " + std::string(py::str(d)) +
                            " of shape " + shape_string(input) +
                            " has size 0: no values to compare");
  const Array x = contiguous(input);
  Array out = new_array(x.typenum(), plan.ndim, plan.shape);
  KernelScope scope(x.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    extreme(largest, x.data<const T>(), plan.passes, out.data<T>());
  });
  return out;
}

// (values, int64 indices) of the largest (or smallest) along one dimension, which goes. Of equal
// values the first wins, and the first NaN over all.
py::tuple max_dim(const Array& input, int64_t dim, bool largest) {
  const char* op = largest ? "max" : "min";
  const bool single = check_float(op, {&input});
  const Split s = split_at(op, input, dim);
  if (s.n == 0)
    throw py::index_error(std::string(op) + ": dimension " + std::to_string(dim) + " of shape " +
                          shape_string(input) + " has size 0: no values to compare");
  if (s.n > INT32_MAX)
    throw py::value_error(std::string(op) + ": a dimension of size " + std::to_string(s.n) +
                          " is larger than 2^31 - 1");
  npy_intp shape[NPY_MAXDIMS_LEGACY_ITERS * 2];
  int ndim = 0;
  for (int d = 0; d < input.ndim(); ++d)
    if (d != dim) shape[ndim++] = input.shape(d);
  const Array x = contiguous(input);
  Array values = new_array(x.typenum(), ndim, shape), indices = new_array(NPY_INT64, ndim, shape);
  {
    KernelScope scope(x.size());
    with_float(single, [&](auto t) {
      using T = decltype(t);
      extreme_with_index(largest, x.data<const T>(), s.outer, s.n, s.inner, values.data<T>(),
                         indices.data<int64_t>());
    });
  }
  return py::make_tuple(values, indices);
}

}  // namespace

void bind_reduce(py::module_& m) {
  m.def("reduce_sum", &reduce_sum);
  m.def("amax", &amax);
  m.def("max_dim", &max_dim);
}

}  // namespace pag
