// Whole-number helpers of the blocked kernels.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>

namespace pag {

// For b > 0.
inline int64_t divide_up(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }
inline int64_t divide_down(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
inline int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// The length of equal parts of n, a multiple of `unit`: as many as parts of at most `most` need.
inline int64_t balanced(int64_t n, int64_t most, int64_t unit) {
  return std::max(unit, round_up(divide_up(n, divide_up(n, most)), unit));
}

// The number of chunks that so many operations are worth: 1e6 each, 10 us of a core. Up to four are
// made of a quarter of that already: within a network the team is awake.
inline double worthwhile_chunks(double operations) {
  return std::max({1.0, operations / 1e6, std::min(operations / 2.5e5, 4.0)});
}

// Whether an array of these sizes is empty; their product may not fit a number.
inline bool any_zero(std::initializer_list<int64_t> sizes) {
  return std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
}

}  // namespace pag
