// Bound by memory: 4 bytes read for each input and 4 written for each output, and an addition for
// each. They reach the speed of a plain copy (benchmarks/kernels.py); of one that stays in the
// cache, whole planes 80% and 3 x 3 windows 25%.
#include "kernels/denormals.h"
#include "kernels/pool.h"
#include "kernels/pool_planes.h"

namespace pag {
namespace {

// Finds whether the windows follow each other at a step of 1 or 2, but for those that the border
// cuts.
PoolWindows regular(PoolWindows w, int64_t size) {
  w.stride = 0;
  if (w.count < 3 || w.pairs) return w;
  const int64_t stride = w.begin[2] - w.begin[1], first = w.begin[1] - stride;
  int64_t length = 0;
  for (int64_t i = 0; i < w.count; ++i) length = std::max(length, w.end[i] - w.begin[i]);
  for (int64_t i = 0; i < w.count; ++i) {
    const int64_t begin = first + i * stride;
    if (w.begin[i] != std::max<int64_t>(0, begin) || w.end[i] != std::min(size, begin + length))
      return w;
  }
  w.first = first;
  w.length = length;
  if ((stride == 1 || stride == 2) && first <= 0) w.stride = stride;
  return w;
}

}  // namespace

template <class T>
void avg_pool2d(const T* x, int64_t planes, int64_t height, int64_t width, const PoolWindows& rows,
                const PoolWindows& columns, T* out) {
  const FlushDenormals scope;
  if (planes * rows.count * columns.count == 0) return;
  const PoolLoops<T>& loops = isa().pool.of<T>();
  const int64_t n = height * width;
  if (is_whole(rows, height) && is_whole(columns, width)) {
    parallel_for(planes, planes_a_chunk(n), [&](int64_t begin, int64_t end) {
      loops.average_whole(out + begin, x + begin * n, end - begin, n,
                          rows.factor[0] * columns.factor[0]);
    });
    return;
  }
  const PoolWindows across = regular(columns, width);
  // A border of zeros wide enough for the windows and for what vectors read beyond them.
  const int64_t before = across.stride ? -across.first : 0;
  const int64_t row = before + width + (across.stride ? across.length + 3 * kMostLanes : 0);
  const int64_t outputs = rows.count * columns.count;
  each_plane_with_scratch<T>(planes, n + outputs, row + columns.count, [&](int64_t p, T* scratch) {
    std::fill(scratch, scratch + before, T{0});
    std::fill(scratch + before + width, scratch + row, T{0});
    loops.average(out + p * outputs, x + p * n, width, rows, across,
                  {scratch + before, scratch + row, nullptr});
  });
}

template <class T>
void avg_pool2d_grad(const T* g, int64_t planes, int64_t height, int64_t width,
                     const PoolWindows& rows, const PoolWindows& columns, T* out) {
  const FlushDenormals scope;
  if (planes * height * width == 0) return;
  const PoolLoops<T>& loops = isa().pool.of<T>();
  const int64_t n = height * width;
  if (is_whole(rows, height) && is_whole(columns, width)) {
    parallel_for(planes, planes_a_chunk(n), [&](int64_t begin, int64_t end) {
      loops.average_whole_grad(out + begin * n, g + begin, end - begin, n,
                               rows.factor[0] * columns.factor[0]);
    });
    return;
  }
  const PoolWindows across = regular(columns, width);
  // Vectors write beyond the row, and read zeros around the scaled gradient.
  const int64_t room = across.stride ? width - across.first + 2 * kMostLanes : width;
  const int64_t before = across.stride ? across.length : 0;
  const int64_t scaled = before + std::max(room, columns.count) + kMostLanes;
  const int64_t outputs = rows.count * columns.count;
  each_plane_with_scratch<T>(
      planes, n + outputs, room + columns.count + scaled, [&](int64_t p, T* scratch) {
        T* const factors = scratch + room;
        T* const products = factors + columns.count;
        std::fill(products, products + before, T{0});
        std::fill(products + before + columns.count, products + scaled, T{0});
        loops.average_grad(out + p * n, g + p * outputs, height, width, rows, across,
                           {scratch, factors, products + before});
      });
}

#define INSTANTIATE(T)                                                                      \
  template void avg_pool2d<T>(const T*, int64_t, int64_t, int64_t, const PoolWindows&,      \
                              const PoolWindows&, T*);                                      \
  template void avg_pool2d_grad<T>(const T*, int64_t, int64_t, int64_t, const PoolWindows&, \
                                   const PoolWindows&, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
