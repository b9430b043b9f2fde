// Bound by memory: 4 bytes an element are read, with one operation each. Sums, means and maxima of
// 1024 x 1536 floats take 50-90% of the limit along either dimension (benchmarks/kernels.py).
#include "kernels/reduce.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "isa/table.h"
#include "kernels/parallel.h"

namespace pag {

template <class T>
void sum(const T* x, int64_t outer, int64_t n, int64_t inner, double* out) {
  for (int64_t i = 0; i < outer * inner; ++i) out[i] = 0;
  if (outer * inner == 0 || n == 0) return;
  const ReduceLoops<T>& loops = isa().reduce.of<T>();

  // A long reduction is cut into pieces of fixed length whose sums are added in order.
  const int64_t length = sum_piece(inner);
  const int64_t pieces = (n + length - 1) / length;
  std::vector<double> partial;
  if (pieces > 1) partial.assign(static_cast<size_t>(outer * pieces * inner), 0.0);
  double* to = pieces > 1 ? partial.data() : out;
  const int64_t work = (pieces > 1 ? length : n) * inner;
  parallel_for(outer * pieces, work < kGrain ? kGrain / work : 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % pieces * length;
      const int64_t count = n - first < length ? n - first : length;
      const T* from = x + (item / pieces * n + first) * inner;
      if (inner == 1)
        to[item] = loops.sum(from, count);
      else
        loops.sum_rows(to + item * inner, from, count, inner, inner);
    }
  });
  if (pieces > 1)
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t p = 0; p < pieces; ++p)
        for (int64_t j = 0; j < inner; ++j) out[o * inner + j] += to[(o * pieces + p) * inner + j];
}

template <class T>
void extreme(bool largest, const T* x, int64_t outer, int64_t n, int64_t inner, T* out) {
  if (outer * inner == 0) return;
  const ReduceLoops<T>& loops = isa().reduce.of<T>();
  // Long reductions are cut into pieces, columns into strips.
  const int64_t width = std::min(inner, kStrip), strips = (inner + kStrip - 1) / kStrip;
  const int64_t length = (2 * kGrain + width - 1) / width, pieces = (n + length - 1) / length;
  std::vector<T> partial;
  if (pieces > 1) partial.resize(static_cast<size_t>(outer * pieces * inner));
  T* to = pieces > 1 ? partial.data() : out;
  const int64_t work = std::min(n, length) * width;
  parallel_for(outer * pieces * strips, std::max<int64_t>(1, kGrain / work),
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) {
                   const int64_t column = item % strips * kStrip, row = item / strips;
                   const int64_t first = row % pieces * length, count = std::min(n - first, length);
                   const T* from = x + (row / pieces * n + first) * inner + column;
                   if (inner == 1)
                     to[row] = loops.extreme[largest](from, count);
                   else
                     loops.extreme_columns[largest](to + row * inner + column, nullptr, from, count,
                                                    inner, std::min(kStrip, inner - column));
                 }
               });
  if (pieces > 1) extreme(largest, to, outer, pieces, inner, out);
}

template <class T>
void extreme_with_index(bool largest, const T* x, int64_t outer, int64_t n, int64_t inner, T* out,
                        int64_t* index) {
  if (outer * inner == 0) return;
  const ReduceLoops<T>& loops = isa().reduce.of<T>();
  if (inner == 1) {
    extreme(largest, x, outer, n, inner, out);
    parallel_for(outer, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        index[row] = loops.find(x + row * n, n, out[row]);
        out[row] = x[row * n + index[row]];  // of 0 and -0 the first
      }
    });
    return;
  }
  const int64_t strips = (inner + kStrip - 1) / kStrip;
  parallel_for(outer * strips, std::max<int64_t>(1, kGrain / (n * std::min(inner, kStrip))),
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) {
                   const int64_t column = item % strips * kStrip, row = item / strips;
                   const int64_t at = row * inner + column;
                   loops.extreme_columns[largest](out + at, index + at,
                                                  x + row * n * inner + column, n, inner,
                                                  std::min(kStrip, inner - column));
                 }
               });
}

std::vector<ReducePass> reduce_passes(const std::vector<int64_t>& shape,
                                      const std::vector<bool>& reduced) {
  struct Run {
    int64_t size;
    bool reduced;
  };
  std::vector<Run> runs;  // neighbouring dimensions that are all kept or all reduced, as one
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!runs.empty() && runs.back().reduced == reduced[d])
      runs.back().size *= shape[d];
    else
      runs.push_back({shape[d], reduced[d]});
  }
  std::vector<ReducePass> passes;
  while (true) {
    int last = static_cast<int>(runs.size()) - 1;
    while (last >= 0 && !runs[static_cast<size_t>(last)].reduced) --last;
    if (last < 0 && !passes.empty()) return passes;
    ReducePass pass;
    for (int r = 0; r < static_cast<int>(runs.size()); ++r)
      (r < last || last < 0 ? pass.outer
       : r == last          ? pass.n
                            : pass.inner) *= runs[static_cast<size_t>(r)].size;
    passes.push_back(pass);
    if (last < 0) return passes;
    runs.erase(runs.begin() + last);
  }
}

template <class T>
void extreme(bool largest, const T* x, const std::vector<ReducePass>& passes, T* out) {
  std::vector<T> from, to;
  for (size_t i = 0; i < passes.size(); ++i) {
    const ReducePass& pass = passes[i];
    const bool final = i + 1 == passes.size();
    to.resize(final ? 0 : static_cast<size_t>(pass.results()));
    extreme(largest, i ? from.data() : x, pass.outer, pass.n, pass.inner, final ? out : to.data());
    from.swap(to);
  }
}

template <class T>
void sum(const T* x, const Producer* producer, const std::vector<ReducePass>& passes, double scale,
         std::vector<std::vector<double>>* partial, T* out) {
  partial->resize(passes.size());
  for (size_t i = 0; i < passes.size(); ++i) {
    const ReducePass& pass = passes[i];
    std::vector<double>& to = (*partial)[i];
    to.resize(static_cast<size_t>(pass.results()));
    if (i == 0 && producer)
      sum_produced<T>(*producer, pass.outer, pass.n, pass.inner, to.data());
    else if (i == 0)
      sum(x, pass.outer, pass.n, pass.inner, to.data());
    else
      sum<double>((*partial)[i - 1].data(), pass.outer, pass.n, pass.inner, to.data());
  }
  const double* total = partial->back().data();
  for (int64_t i = 0; i < passes.back().results(); ++i) out[i] = static_cast<T>(total[i] * scale);
}

#define INSTANTIATE(T)                                                                    \
  template void sum<T>(const T*, int64_t, int64_t, int64_t, double*);                     \
  template void extreme<T>(bool, const T*, int64_t, int64_t, int64_t, T*);                \
  template void extreme<T>(bool, const T*, const std::vector<ReducePass>&, T*);           \
  template void sum<T>(const T*, const Producer*, const std::vector<ReducePass>&, double, \
                       std::vector<std::vector<double>>*, T*);                            \
  template void extreme_with_index<T>(bool, const T*, int64_t, int64_t, int64_t, T*, int64_t*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
