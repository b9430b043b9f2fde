// Reductions over one run of neighbouring dimensions of a C-contiguous array, seen as
// (outer, n, inner) -> (outer, inner).
#pragma once
#include <cstdint>

namespace pag {

// Sums in double, in an order that depends on the shape alone.
template <class T>
void sum(const T* x, int64_t outer, int64_t n, int64_t inner, double* out);

// The largest (or smallest) values; n > 0 where outer and inner are. NaN propagates.
template <class T>
void extreme(bool largest, const T* x, int64_t outer, int64_t n, int64_t inner, T* out);

// The same with the first position of each along n, which is below 2^31. The first NaN wins.
template <class T>
void extreme_with_index(bool largest, const T* x, int64_t outer, int64_t n, int64_t inner, T* out,
                        int64_t* index);

}  // namespace pag
