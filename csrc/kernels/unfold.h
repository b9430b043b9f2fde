// The columns of a convolution as a matrix (im2col), and its adjoint (col2im).
#pragma once
#include <cstdint>

#include "isa/table.h"

namespace pag {

// x (planes, height, width) -> out (planes, kernel height, kernel width, out height, out width),
// zero where a window leaves the plane.
template <class T>
void unfold(const T* x, int64_t planes, const PoolShape& shape, T* out);

// columns, shaped as the result above, added up at the places they come from, tap by tap.
template <class T>
void fold(const T* columns, int64_t planes, const PoolShape& shape, T* out);

}  // namespace pag
