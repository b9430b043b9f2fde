#include "kernels/index.h"

#include <algorithm>
#include <cstring>

#include "kernels/parallel.h"

namespace pag {
namespace {

// Calls visit(offset of the row's first element in the array, index of the same in the index array)
// for the rows [begin, end) of the index array: runs along its last dimension. Along `dim` itself
// the offset does not move.
template <class Visit>
void each_row(const GatherShape& s, int64_t begin, int64_t end, Visit&& visit) {
  const int last = s.ndim - 1;
  int64_t stride[kMaxIndexDims], at[kMaxIndexDims];
  int64_t step = 1;
  for (int d = last; d >= 0; --d) {
    stride[d] = d == s.dim ? 0 : step;
    step *= s.array[d];
  }
  int64_t offset = 0, rest = begin;
  for (int d = last - 1; d >= 0; --d) {
    at[d] = rest % s.index[d];
    rest /= s.index[d];
    offset += at[d] * stride[d];
  }
  for (int64_t row = begin; row < end; ++row) {
    visit(offset, row * s.index[last]);
    for (int d = last - 1; d >= 0; --d) {
      offset += stride[d];
      if (++at[d] < s.index[d]) break;
      offset -= stride[d] * s.index[d];
      at[d] = 0;
    }
  }
}

struct Sizes {
  explicit Sizes(const GatherShape& s) : length(s.index[s.ndim - 1]) {
    for (int d = 0; d < s.ndim; ++d) {
      if (d < s.ndim - 1) rows *= s.index[d];
      if (d < s.dim && d < s.ndim - 1) rows_before *= s.index[d];
      if (d > s.dim) inner *= s.array[d];
      array *= s.array[d];
    }
  }
  int64_t length;           // of a row of the index
  int64_t rows = 1;         // of the index
  int64_t rows_before = 1;  // groups of them that share no element of the array
  int64_t inner = 1;        // step of the array along dim
  int64_t array = 1;
};

template <class T>
void gather(const T* x, const int64_t* index, const GatherShape& s, T* out) {
  const Sizes n(s);
  if (n.rows * n.length == 0) return;
  const int64_t step = s.dim == s.ndim - 1 ? 0 : 1;
  parallel_for(n.rows, std::max<int64_t>(1, kGrain / n.length), [&](int64_t begin, int64_t end) {
    each_row(s, begin, end, [&](int64_t offset, int64_t first) {
      for (int64_t j = 0; j < n.length; ++j)
        out[first + j] = x[offset + j * step + index[first + j] * n.inner];
    });
  });
}

}  // namespace

int64_t find_out_of_range(const int64_t* index, int64_t n, int64_t size) {
  const uint64_t limit = static_cast<uint64_t>(size);
  constexpr int64_t kBlock = 256;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t end = std::min(n, start + kBlock);
    bool bad = false;
    for (int64_t i = start; i < end; ++i) bad |= static_cast<uint64_t>(index[i]) >= limit;
    if (!bad) continue;
    for (int64_t i = start;; ++i)
      if (static_cast<uint64_t>(index[i]) >= limit) return i;
  }
  return -1;
}

void gather(int itemsize, const void* x, const int64_t* index, const GatherShape& shape,
            void* out) {
  if (itemsize == 8)
    gather(static_cast<const uint64_t*>(x), index, shape, static_cast<uint64_t*>(out));
  else if (itemsize == 4)
    gather(static_cast<const uint32_t*>(x), index, shape, static_cast<uint32_t*>(out));
  else
    gather(static_cast<const uint8_t*>(x), index, shape, static_cast<uint8_t*>(out));
}

template <class T>
void scatter_add(const T* g, const int64_t* index, const GatherShape& s, T* out) {
  const Sizes n(s);
  std::memset(out, 0, static_cast<size_t>(n.array) * sizeof(T));
  if (n.rows * n.length == 0) return;
  const int64_t step = s.dim == s.ndim - 1 ? 0 : 1;
  const int64_t group = n.rows / n.rows_before;
  const int64_t grain = std::max<int64_t>(1, kGrain / (group * n.length));
  parallel_for(n.rows_before, grain, [&](int64_t begin, int64_t end) {
    each_row(s, begin * group, end * group, [&](int64_t offset, int64_t first) {
      for (int64_t j = 0; j < n.length; ++j)
        out[offset + j * step + index[first + j] * n.inner] += g[first + j];
    });
  });
}

template <class T>
void index_add_rows(const T* g, const int64_t* rows, int64_t count, int64_t n, int64_t width,
                    T* out) {
  if (n * width == 0) return;
  // Threads take columns, so that every element is added to in order.
  const int64_t columns = std::max<int64_t>(64, kGrain / (count + n));
  parallel_for(width, columns, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < n; ++r)
      std::memset(out + r * width + begin, 0, static_cast<size_t>(end - begin) * sizeof(T));
    for (int64_t i = 0; i < count; ++i) {
      T* to = out + rows[i] * width;
      const T* from = g + i * width;
      for (int64_t j = begin; j < end; ++j) to[j] += from[j];
    }
  });
}

#define INSTANTIATE(T)                                                            \
  template void scatter_add<T>(const T*, const int64_t*, const GatherShape&, T*); \
  template void index_add_rows<T>(const T*, const int64_t*, int64_t, int64_t, int64_t, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
