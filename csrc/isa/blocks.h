// How sums are cut: what is added in the elements' type before it reaches a double.
#pragma once
#include <stdint.h>

namespace pag {

constexpr int64_t kSumBlock = 512;  // neighbours
constexpr int64_t kSumRows = 16;    // rows, element by element

}  // namespace pag
