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

template <class T>
void sum_runs(const T* x, std::vector<Run> runs, double* out);

// Reduces the innermost reduced run; what is left goes on in double.
template <class T>
void sum_runs(const T* x, std::vector<Run> runs, double* out) {
  int last = static_cast<int>(runs.size()) - 1;
  while (last >= 0 && !runs[static_cast<size_t>(last)].reduced) --last;
  int64_t outer = 1, inner = 1;
  bool more = false;
  for (int r = 0; r < last; ++r) {
    outer *= runs[static_cast<size_t>(r)].size;
    more |= runs[static_cast<size_t>(r)].reduced;
  }
  for (size_t r = static_cast<size_t>(last) + 1; r < runs.size(); ++r) inner *= runs[r].size;
  const int64_t n = last < 0 ? 1 : runs[static_cast<size_t>(last)].size;
  if (!more) {
    sum(x, last < 0 ? inner : outer, n, last < 0 ? 1 : inner, out);
    return;
  }
  std::vector<double> partial(static_cast<size_t>(outer * inner));
  sum(x, outer, n, inner, partial.data());
  runs.erase(runs.begin() + last);
  sum_runs(partial.data(), runs, out);
}

template <class T>
void sum_scaled(const Array& x, const std::vector<Run>& runs, double scale, const Array& out) {
  const size_t n = static_cast<size_t>(out.size());
  std::vector<double> total(n);
  sum_runs(x.data<const T>(), runs, total.data());
  for (size_t i = 0; i < n; ++i) out.data<T>()[i] = static_cast<T>(total[i] * scale);
}

// scale * (sum of x over the dimensions dims, each in [0, ndim) and named once). The order of
// additions depends on the shape alone; float32 is accumulated in float32 blocks and double.
Array reduce_sum(const Array& input, const py::tuple& dims, bool keepdim, double scale) {
  const bool single = check_float("sum", {&input});
  const int ndim = input.ndim();
  bool reduced[NPY_MAXDIMS_LEGACY_ITERS * 2] = {};
  for (const py::handle d : dims) {
    const int dim = d.cast<int>();
    if (dim < 0 || dim >= ndim)
      throw py::index_error("sum: dimension " + std::to_string(dim) + " of an array with shape " +
                            shape_string(input));
    reduced[dim] = true;
  }
  npy_intp shape[NPY_MAXDIMS_LEGACY_ITERS * 2];
  int kept = 0;
  std::vector<Run> runs;
  for (int d = 0; d < ndim; ++d) {
    if (!reduced[d]) shape[kept++] = input.shape(d);
    else if (keepdim) shape[kept++] = 1;
    if (!runs.empty() && runs.back().reduced == reduced[d]) runs.back().size *= input.shape(d);
    else runs.push_back({input.shape(d), reduced[d]});
  }
  const Array x = contiguous(input);
  Array out = new_array(input.typenum(), kept, shape);
  KernelScope scope(x.size());
  if (single) sum_scaled<float>(x, runs, scale, out);
  else sum_scaled<double>(x, runs, scale, out);
  return out;
}

}  // namespace

void bind_reduce(py::module_& m) { m.def("reduce_sum", &reduce_sum); }

}  // namespace pag
