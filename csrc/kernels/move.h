// Copies between strided arrays.
#pragma once
#include <cstdint>

#include "kernels/elementwise.h"

namespace pag {

// What copies n bytes fastest, between places that do not overlap, where `all` are copied so.
CopyLoop copy_loop(int64_t n, int64_t all);

// Operand 0 = operand 1, elements of `itemsize` bytes (1, 4 or 8). The two do not overlap. Reading
// one element after the other where writing goes along another dimension is done in squares.
void copy_strided(int itemsize, const Elementwise& args);

}  // namespace pag
