// Sorting and running sums along one dimension of arrays (outer, n, inner), C-contiguous.
#pragma once
#include <cstdint>

#include "isa/table.h"

namespace pag {

// run(T{}) of the type of the dtype.
template <class Run>
auto with_dtype(DType dtype, Run&& run) {
  switch (dtype) {
    case kF32:
      return run(float{});
    case kF64:
      return run(double{});
    case kI64:
      return run(int64_t{});
    case kI32:
      return run(int32_t{});
    default:
      return run(uint8_t{});
  }
}

// The first `count` elements of each line in order, (outer, count, inner), and their positions.
// Equals keep their order; NaN is the largest. T: float, double, int64_t, int32_t, uint8_t. Throws
// std::bad_alloc.
template <class T>
void sort(const T* x, int64_t outer, int64_t n, int64_t inner, bool descending, int64_t count,
          T* values, int64_t* positions);

// out[i] = x[0] + ... + x[i], or x[i] + ... + x[n - 1] where `backwards`; floats are added in
// double, integers wrap around. T as above.
template <class T>
void running_sum(const T* x, int64_t outer, int64_t n, int64_t inner, bool backwards, T* out);

// The position of the largest (or smallest) of x[0], ..., x[i], the last one of equals; NaN is the
// extreme from there on. T as above.
template <class T>
void running_extreme(bool largest, const T* x, int64_t outer, int64_t n, int64_t inner,
                     int64_t* out);

}  // namespace pag
