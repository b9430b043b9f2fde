// What max and average pooling share: planes in parallel, each with working memory.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>

#include "isa/table.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {

constexpr int64_t kMostLanes = 16;

inline int64_t planes_a_chunk(int64_t work) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work));
}

// Whether one window covers a whole dimension.
inline bool is_whole(const PoolWindows& w, int64_t size) {
  return w.count == 1 && w.begin[0] == 0 && w.end[0] == size;
}

// body(plane, scratch) for every plane, in parallel, with room for n values.
template <class T, class Body>
void each_plane_with_scratch(int64_t planes, int64_t work, int64_t n, Body&& body) {
  std::atomic<bool> failed{false};
  parallel_for(planes, planes_a_chunk(work), [&](int64_t begin, int64_t end) {
    const Scratch scratch(n * static_cast<int64_t>(sizeof(T)));
    if (!scratch) {
      failed = true;
      return;
    }
    for (int64_t p = begin; p < end; ++p) body(p, scratch.as<T>());
  });
  if (failed) throw std::bad_alloc();
}

}  // namespace pag
