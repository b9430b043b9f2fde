#include "kernels/reduce.h"

#include <vector>

#include "bindings/common.h"

namespace pag {
namespace {

// Neighbouring dimensions that are all kept or all reduced, as one.
struct Run {
  int64_t size;
  bool reduced;
};

// The innermost reduced run, and the sizes around it.
struct Innermost {
  explicit Innermost(const std::vector<Run>& runs) {
    last = static_cast<int>(runs.size()) - 1;
    while (last >= 0 && !runs[static_cast<size_t>(last)].reduced) --last;
    for (int r = 0; r < static_cast<int>(runs.size()); ++r) {
      const Run& run = runs[static_cast<size_t>(r)];
      (r < last || last < 0 ? outer : r == last ? n : inner) *= run.size;
      more |= r < last && run.reduced;
    }
  }
  int last;
  int64_t outer = 1, n = 1, inner = 1;
  bool more = false;  // other runs are reduced too
};

// Reduces the innermost reduced run; what is left goes on in double.
template <class T>
void sum_runs(const T* x, std::vector<Run> runs, double* out) {
  const Innermost in(runs);
  if (!in.more) {
    sum(x, in.outer, in.n, in.inner, out);
    return;
  }
  std::vector<double> partial(static_cast<size_t>(in.outer * in.inner));
  sum(x, in.outer, in.n, in.inner, partial.data());
  runs.erase(runs.begin() + in.last);
  sum_runs(partial.data(), runs, out);
}

template <class T>
void sum_scaled(const Array& x, const std::vector<Run>& runs, double scale, const Array& out) {
  const size_t n = static_cast<size_t>(out.size());
  std::vector<double> total(n);
  sum_runs(x.data<const T>(), runs, total.data());
  for (size_t i = 0; i < n; ++i) out.data<T>()[i] = static_cast<T>(total[i] * scale);
}

// Where a reduction over some dimensions goes: its runs and the shape of its result.
struct Plan {
  std::vector<Run> runs;
  npy_intp shape[NPY_MAXDIMS_LEGACY_ITERS * 2];
  int ndim = 0;
};

// dims: each in [0, ndim), else IndexError naming `op`.
Plan plan_reduction(const char* op, const Array& x, const py::tuple& dims, bool keepdim) {
  bool reduced[NPY_MAXDIMS_LEGACY_ITERS * 2] = {};
  for (const py::handle d : dims) {
    const int64_t dim = d.cast<int64_t>();
    split_at(op, x, dim);
    reduced[dim] = true;
  }
  Plan plan;
  for (int d = 0; d < x.ndim(); ++d) {
    if (!reduced[d])
      plan.shape[plan.ndim++] = x.shape(d);
    else if (keepdim)
      plan.shape[plan.ndim++] = 1;
    if (!plan.runs.empty() && plan.runs.back().reduced == reduced[d])
      plan.runs.back().size *= x.shape(d);
    else
      plan.runs.push_back({x.shape(d), reduced[d]});
  }
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
  with_float(single, [&](auto t) { sum_scaled<decltype(t)>(x, plan.runs, scale, out); });
  return out;
}

// Reduces the innermost reduced run first, as sum_runs.
template <class T>
void extreme_runs(bool largest, const T* x, std::vector<Run> runs, T* out) {
  const Innermost in(runs);
  if (!in.more) {
    extreme(largest, x, in.outer, in.n, in.inner, out);
    return;
  }
  std::vector<T> partial(static_cast<size_t>(in.outer * in.inner));
  extreme(largest, x, in.outer, in.n, in.inner, partial.data());
  runs.erase(runs.begin() + in.last);
  extreme_runs(largest, partial.data(), runs, out);
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
    extreme_runs(largest, x.data<const T>(), plan.runs, out.data<T>());
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
