// Bound by memory: 8 bytes of index and 8 of values for each element gathered. Gathering along the
// last dimension, which stays in the L1 cache, reaches 80% of a plain copy's speed, along the first
// 40%; whole rows 70-90% (benchmarks/kernels.py).
#include "kernels/index.h"

#include <algorithm>
#include <cstring>

#include "isa/table.h"
#include "kernels/move.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

constexpr int64_t kMostRanges = 8;  // of rows that are added to; each costs a look at all positions

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
      if (n.inner == 1 && step == 0)
        for (int64_t j = 0; j < n.length; ++j) out[first + j] = x[offset + index[first + j]];
      else
        for (int64_t j = 0; j < n.length; ++j)
          out[first + j] = x[offset + j * step + index[first + j] * n.inner];
    });
  });
}

// Calls put(&out[..., index[i, j, ...], ...], values[i, j, ...]) in order.
template <class T, class Put>
void each_target(const T* values, const int64_t* index, const GatherShape& s, T* out, Put&& put) {
  const Sizes n(s);
  if (n.rows * n.length == 0) return;
  const int64_t step = s.dim == s.ndim - 1 ? 0 : 1;
  const int64_t group = n.rows / n.rows_before;
  const int64_t grain = std::max<int64_t>(1, kGrain / (group * n.length));
  parallel_for(n.rows_before, grain, [&](int64_t begin, int64_t end) {
    each_row(s, begin * group, end * group, [&](int64_t offset, int64_t first) {
      if (n.inner == 1 && step == 0)
        for (int64_t j = 0; j < n.length; ++j)
          put(&out[offset + index[first + j]], values[first + j]);
      else
        for (int64_t j = 0; j < n.length; ++j)
          put(&out[offset + j * step + index[first + j] * n.inner], values[first + j]);
    });
  });
}

template <class T>
void scatter(const T* values, const int64_t* index, const GatherShape& s, T* out) {
  each_target(values, index, s, out, [](T* to, T value) { *to = value; });
}

template <class T>
void index_select(const T* x, int64_t outer, int64_t n, int64_t inner, const int64_t* rows,
                  int64_t count, T* out) {
  if (outer * count * inner == 0) return;
  const int64_t pieces = (count * inner + kGrain - 1) / kGrain;  // of one outer slice
  const int64_t length = (count + pieces - 1) / pieces;
  const int64_t bytes = inner * static_cast<int64_t>(sizeof(T));
  const CopyLoop copy = copy_loop(bytes, outer * count * bytes);
  parallel_for(outer * pieces, std::max<int64_t>(1, kGrain / (length * inner)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) {
                   const int64_t o = item / pieces, first = item % pieces * length;
                   const int64_t last = std::min(count, first + length);
                   const T* from = x + o * n * inner;
                   T* to = out + (o * count + first) * inner;
                   if (inner == 1)
                     for (int64_t i = first; i < last; ++i) *to++ = from[rows[i]];
                   else
                     for (int64_t i = first; i < last; ++i, to += inner)
                       copy(to, from + rows[i] * inner, bytes);
                 }
               });
}

std::string out_of_bounds(int64_t position, int64_t dim, int64_t size) {
  return "index " + std::to_string(position) + " is out of bounds for dimension " +
         std::to_string(dim) + " with size " + std::to_string(size);
}

}  // namespace

int64_t find_out_of_range(const int64_t* index, int64_t n, int64_t size) {
  if (isa().within(index, n, size)) return -1;
  return std::find_if(index, index + n, [=](int64_t i) { return i < 0 || i >= size; }) - index;
}

void check_range(const char* op, const int64_t* index, int64_t n, int64_t dim, int64_t size) {
  const int64_t bad = find_out_of_range(index, n, size);
  if (bad >= 0) throw IndexError{std::string(op) + ": " + out_of_bounds(index[bad], dim, size)};
}

void check_table_rows(const int64_t* index, int64_t n, int64_t count) {
  const int64_t bad = find_out_of_range(index, n, count);
  if (bad >= 0)
    throw IndexError{"embedding: row " + std::to_string(index[bad]) + " of a table of " +
                     std::to_string(count) + " rows"};
}

const int64_t* Rows::of(const int64_t* index, std::vector<int64_t>* own) const {
  if (sizes.size() == 1 && find_out_of_range(index, count, sizes[0]) < 0) return index;
  own->assign(static_cast<size_t>(count), 0);
  for (size_t d = 0; d < sizes.size(); ++d) {
    const int64_t size = sizes[d];
    for (int64_t i = 0; i < count; ++i, ++index) {
      const int64_t at = *index < 0 ? *index + size : *index;
      if (at < 0 || at >= size) throw IndexError{out_of_bounds(*index, dims[d], size)};
      int64_t& row = (*own)[static_cast<size_t>(i)];
      row = row * size + at;
    }
  }
  return own->data();
}

void gather(int itemsize, const void* x, const int64_t* index, const GatherShape& shape,
            void* out) {
  with_size(itemsize, [&](auto t) {
    using T = decltype(t);
    gather(static_cast<const T*>(x), index, shape, static_cast<T*>(out));
  });
}

template <class T>
void scatter_add(const T* g, const int64_t* index, const GatherShape& s, T* out) {
  std::memset(out, 0, static_cast<size_t>(Sizes(s).array) * sizeof(T));
  each_target(g, index, s, out, [](T* to, T value) { *to += value; });
}

void scatter(int itemsize, const void* values, const int64_t* index, const GatherShape& shape,
             void* out) {
  with_size(itemsize, [&](auto t) {
    using T = decltype(t);
    scatter(static_cast<const T*>(values), index, shape, static_cast<T*>(out));
  });
}

void index_select(int itemsize, const void* x, int64_t outer, int64_t n, int64_t inner,
                  const int64_t* rows, int64_t count, void* out) {
  with_size(itemsize, [&](auto t) {
    using T = decltype(t);
    index_select(static_cast<const T*>(x), outer, n, inner, rows, count, static_cast<T*>(out));
  });
}

template <class T>
void index_add(const T* g, const int64_t* rows, int64_t count, int64_t outer, int64_t n,
               int64_t inner, T* out) {
  if (outer * n * inner == 0) return;
  // Threads take ranges of out's rows, so that every element is added to in order: each looks at
  // all positions and adds those in its range.
  const int64_t most = std::min<int64_t>(kMostRanges, (count + n) * inner / kGrain);
  const int64_t length = (n + std::max<int64_t>(1, most) - 1) / std::max<int64_t>(1, most);
  const int64_t ranges = (n + length - 1) / length;
  const int64_t grain = std::max<int64_t>(1, kGrain / ((count + length) * inner));
  parallel_for(outer * ranges, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % ranges * length, last = std::min(n, first + length);
      T* to = out + item / ranges * n * inner;
      const T* from = g + item / ranges * count * inner;
      std::memset(to + first * inner, 0, static_cast<size_t>((last - first) * inner) * sizeof(T));
      for (int64_t i = 0; i < count; ++i) {
        if (rows[i] < first || rows[i] >= last) continue;
        T* row = to + rows[i] * inner;
        for (int64_t j = 0; j < inner; ++j) row[j] += from[i * inner + j];
      }
    }
  });
}

#define INSTANTIATE(T)                                                            \
  template void scatter_add<T>(const T*, const int64_t*, const GatherShape&, T*); \
  template void index_add<T>(const T*, const int64_t*, int64_t, int64_t, int64_t, int64_t, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
