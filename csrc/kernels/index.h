// Kernels that read or add at positions given by an int64 array. All arrays are C-contiguous.
#pragma once
#include <cstdint>

namespace pag {

constexpr int kMaxIndexDims = 64;

// An index array beside the array it points into along `dim`. In every other dimension the index is
// at most as long.
struct GatherShape {
  int ndim;
  int dim;
  int64_t index[kMaxIndexDims];  // shape of the index array, and of the gathered values
  int64_t array[kMaxIndexDims];  // shape of the array
};

// The place in index[0..n) of the first entry outside [0, size), or -1.
int64_t find_out_of_range(const int64_t* index, int64_t n, int64_t size);

// out[i, j, ...] = x[..., index[i, j, ...], ...]; elements of `itemsize` bytes: 1, 4 or 8.
void gather(int itemsize, const void* x, const int64_t* index, const GatherShape& shape, void* out);

// The adjoint: out = 0, then out[..., index[i, j, ...], ...] += g[i, j, ...] in order.
template <class T>
void scatter_add(const T* g, const int64_t* index, const GatherShape& shape, T* out);

// out (outer, count, inner): out[o, i] = x[o, rows[i]] of x (outer, n, inner).
void index_select(int itemsize, const void* x, int64_t outer, int64_t n, int64_t inner,
                  const int64_t* rows, int64_t count, void* out);

// The adjoint: out (outer, n, inner) = 0, then out[o, rows[i]] += g[o, i] for i < count in order.
template <class T>
void index_add(const T* g, const int64_t* rows, int64_t count, int64_t outer, int64_t n,
               int64_t inner, T* out);

}  // namespace pag
