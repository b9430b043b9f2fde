#include "kernels/softmax.h"

#include <algorithm>

#include "isa/table.h"
#include "kernels/denormals.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

// rows(first row, count) where inner is 1, else columns(offset of the strip's first element,
// width).
template <class Rows, class Columns>
void each_part(int64_t outer, int64_t n, int64_t inner, Rows&& rows, Columns&& columns) {
  if (outer * n * inner == 0) return;
  constexpr int64_t work = kGrain / 2;  // exp costs more than the operations kGrain counts
  if (inner == 1) {
    parallel_for(outer, std::max<int64_t>(1, work / n),
                 [&](int64_t begin, int64_t end) { rows(begin * n, end - begin); });
    return;
  }
  const int64_t strips = (inner + kStrip - 1) / kStrip;
  const int64_t grain = std::max<int64_t>(1, work / (n * std::min(inner, kStrip)));
  parallel_for(outer * strips, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t column = item % strips * kStrip;
      columns(item / strips * n * inner + column, std::min(kStrip, inner - column));
    }
  });
}

}  // namespace

template <class T>
void softmax(bool logarithm, const T* x, int64_t outer, int64_t n, int64_t inner, T* y) {
  const FlushDenormals scope;
  const SoftmaxLoops<T>& loops = isa().softmax.of<T>();
  each_part(
      outer, n, inner,
      [&](int64_t at, int64_t rows) { loops.rows[logarithm](y + at, x + at, rows, n); },
      [&](int64_t at, int64_t width) {
        loops.columns[logarithm](y + at, x + at, n, inner, width);
      });
}

template <class T>
void softmax_grad(bool logarithm, const T* g, const T* y, int64_t outer, int64_t n, int64_t inner,
                  T* out) {
  const FlushDenormals scope;
  const SoftmaxLoops<T>& loops = isa().softmax.of<T>();
  each_part(
      outer, n, inner,
      [&](int64_t at, int64_t rows) {
        loops.grad_rows[logarithm](out + at, g + at, y + at, rows, n);
      },
      [&](int64_t at, int64_t width) {
        loops.grad_columns[logarithm](out + at, g + at, y + at, n, inner, width);
      });
}

#define INSTANTIATE(T)                                                     \
  template void softmax<T>(bool, const T*, int64_t, int64_t, int64_t, T*); \
  template void softmax_grad<T>(bool, const T*, const T*, int64_t, int64_t, int64_t, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
