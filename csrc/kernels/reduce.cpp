// Bound by memory: 4 bytes an element are read, with one operation each. Sums, means and maxima of
// 1024 x 1536 floats take 50-90% of the limit along either dimension (benchmarks/kernels.py).
#include "kernels/reduce.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "isa/table.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

constexpr int64_t kWideStrip = 4096;

// How (outer, n, inner) is cut up: into strips of columns, whose results so far stay in L1, and
// those into pieces of rows, so that there is work for some threads.
struct Cut {
  Cut(int64_t n, int64_t inner)
      : width(std::min(inner, balanced(inner, kWideStrip, 16))),
        strips(divide_up(inner, width)),
        length(std::min(n, sum_piece(width))),
        pieces(divide_up(n, length)) {}
  int64_t width, strips;
  int64_t length, pieces;
};

// Calls body(from, at, rows, columns) for each piece of each strip: its first element in the array,
// and where its results are among those of all pieces (outer, pieces, inner).
template <class Body>
void each_piece(const Cut& cut, int64_t outer, int64_t n, int64_t inner, Body&& body) {
  const int64_t grain = std::max<int64_t>(1, kGrain / (cut.length * cut.width));
  parallel_for(outer * cut.pieces * cut.strips, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t column = item % cut.strips * cut.width, row = item / cut.strips;
      const int64_t first = row % cut.pieces * cut.length;
      body((row / cut.pieces * n + first) * inner + column, row * inner + column,
           std::min(n - first, cut.length), std::min(cut.width, inner - column));
    }
  });
}

}  // namespace

template <class T>
void sum(const T* x, int64_t outer, int64_t n, int64_t inner, double* out) {
  for (int64_t i = 0; i < outer * inner; ++i) out[i] = 0;
  if (outer * inner == 0 || n == 0) return;
  const ReduceLoops<T>& loops = isa().reduce.of<T>();
  const Cut cut(n, inner);
  if (inner == 1 && cut.pieces == 1) {
    parallel_for(outer, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      loops.sum(out + begin, x + begin * n, end - begin, n);
    });
    return;
  }
  std::vector<double> partial;
  if (cut.pieces > 1) partial.assign(static_cast<size_t>(outer * cut.pieces * inner), 0.0);
  double* to = cut.pieces > 1 ? partial.data() : out;
  each_piece(cut, outer, n, inner, [&](int64_t from, int64_t at, int64_t count, int64_t width) {
    if (inner == 1)
      loops.sum(to + at, x + from, 1, count);
    else
      loops.sum_rows(to + at, x + from, count, inner, width);
  });
  for (int64_t o = 0; cut.pieces > 1 && o < outer; ++o)  // in order
    for (int64_t p = 0; p < cut.pieces; ++p)
      for (int64_t j = 0; j < inner; ++j)
        out[o * inner + j] += to[(o * cut.pieces + p) * inner + j];
}

template <class T>
void extreme(bool largest, const T* x, int64_t outer, int64_t n, int64_t inner, T* out) {
  if (outer * inner == 0) return;
  const ReduceLoops<T>& loops = isa().reduce.of<T>();
  const Cut cut(n, inner);
  if (inner == 1 && cut.pieces == 1) {
    parallel_for(outer, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      loops.extreme[largest](out + begin, x + begin * n, end - begin, n);
    });
    return;
  }
  std::vector<T> partial;
  if (cut.pieces > 1) partial.resize(static_cast<size_t>(outer * cut.pieces * inner));
  T* to = cut.pieces > 1 ? partial.data() : out;
  each_piece(cut, outer, n, inner, [&](int64_t from, int64_t at, int64_t count, int64_t width) {
    if (inner == 1)
      loops.extreme[largest](to + at, x + from, 1, count);
    else
      loops.extreme_columns[largest](to + at, nullptr, x + from, count, inner, width);
  });
  if (cut.pieces > 1) extreme(largest, to, outer, cut.pieces, inner, out);
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
  const int64_t width = std::min(inner, balanced(inner, kIndexedStrip, 16));
  const int64_t strips = divide_up(inner, width);
  parallel_for(
      outer * strips, std::max<int64_t>(1, kGrain / (n * width)), [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; ++item) {
          const int64_t column = item % strips * width, row = item / strips;
          const int64_t at = row * inner + column;
          loops.extreme_columns[largest](out + at, index + at, x + row * n * inner + column, n,
                                         inner, std::min(width, inner - column));
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
