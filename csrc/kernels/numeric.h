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

constexpr double kChunkOperations = 1e6;  // that a chunk of work is worth, 10 us of a core

// How many of `tasks`, which take so many operations in all, make a chunk.
inline int64_t chunk_grain(int64_t tasks, double operations) {
  const double grain = static_cast<double>(tasks) * kChunkOperations / std::max(1.0, operations);
  return std::clamp<int64_t>(static_cast<int64_t>(grain), 1, tasks);
}

// The number of chunks that so many operations are worth. Up to four are made of a quarter of a
// chunk's already: within a network the team is awake.
inline double worthwhile_chunks(double operations) {
  const double chunks = operations / kChunkOperations;
  return std::max({1.0, chunks, std::min(4 * chunks, 4.0)});
}

// run(t) with an integer of that many bytes, 1, 4 or 8: for what only moves elements.
template <class Run>
void with_size(int itemsize, Run&& run) {
  if (itemsize == 8)
    run(uint64_t{});
  else if (itemsize == 4)
    run(uint32_t{});
  else
    run(uint8_t{});
}

// Whether an array of these sizes is empty; their product may not fit a number.
inline bool any_zero(std::initializer_list<int64_t> sizes) {
  return std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
}

}  // namespace pag
