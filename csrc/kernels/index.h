// Kernels that read or add at positions given by an int64 array. All arrays are C-contiguous.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace pag {

// What bindings and plans raise for positions that lie outside, as Python's IndexError.
struct IndexError {
  std::string message;
};

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
// Throws IndexError unless all of index[0..n) are in [0, size), the length of dimension dim.
void check_range(const char* op, const int64_t* index, int64_t n, int64_t dim, int64_t size);
// The same for rows of a table of `count` rows.
void check_table_rows(const int64_t* index, int64_t n, int64_t count);

// Positions along neighbouring dimensions of an array, as those along one that takes their place.
struct Rows {
  std::vector<int64_t> sizes, dims;  // of the dimensions; their numbers, for errors
  int64_t count = 0;                 // positions along each

  // index (dimensions, count), negative ones counted from the end. The result is `index` itself
  // where it can be, else in `own`. Throws IndexError.
  const int64_t* of(const int64_t* index, std::vector<int64_t>* own) const;
};

// out[i, j, ...] = x[..., index[i, j, ...], ...]; elements of `itemsize` bytes: 1, 4 or 8.
void gather(int itemsize, const void* x, const int64_t* index, const GatherShape& shape, void* out);

// The adjoint: out = 0, then out[..., index[i, j, ...], ...] += g[i, j, ...] in order.
template <class T>
void scatter_add(const T* g, const int64_t* index, const GatherShape& shape, T* out);

// out[..., index[i, j, ...], ...] = values[i, j, ...] in order; the rest of out stays.
void scatter(int itemsize, const void* values, const int64_t* index, const GatherShape& shape,
             void* out);

// out (outer, count, inner): out[o, i] = x[o, rows[i]] of x (outer, n, inner).
void index_select(int itemsize, const void* x, int64_t outer, int64_t n, int64_t inner,
                  const int64_t* rows, int64_t count, void* out);

// The adjoint: out (outer, n, inner) = 0, then out[o, rows[i]] += g[o, i] for i < count in order.
template <class T>
void index_add(const T* g, const int64_t* rows, int64_t count, int64_t outer, int64_t n,
               int64_t inner, T* out);

}  // namespace pag
