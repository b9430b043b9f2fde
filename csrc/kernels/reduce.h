// Reductions over one run of neighbouring dimensions of a C-contiguous array, seen as
// (outer, n, inner) -> (outer, inner).
#pragma once
#include <cstdint>

namespace pag {

// Sums in double, in an order that depends on the shape alone.
template <class T>
void sum(const T* x, int64_t outer, int64_t n, int64_t inner, double* out);

}  // namespace pag
