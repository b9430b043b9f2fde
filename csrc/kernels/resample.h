// Resampling of C-contiguous planes (height, width): sums of neighbours, with weights that are the
// product of one for the row and one for the column.
#pragma once
#include <cstdint>

namespace pag {

// One dimension: output i is the sum over t < taps of weight[i * taps + t] * input[begin[i] + t].
// Where the weight is 0, the input does not count, be it NaN, and need not exist. `begin` does not
// fall. Null is the identity.
struct ResampleTable {
  int64_t count, taps;
  const int64_t* begin;
  const double* weight;
};

// x (planes, height, width) to out (planes, rows' count, columns' count). Sizes below 2^31. Throws
// std::bad_alloc.
template <class T>
void resample2d(const T* x, int64_t planes, int64_t height, int64_t width,
                const ResampleTable* rows, const ResampleTable* columns, T* out);

}  // namespace pag
