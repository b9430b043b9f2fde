// Reductions over one run of neighbouring dimensions of a C-contiguous array, seen as
// (outer, n, inner) -> (outer, inner).
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/parallel.h"
#include "kernels/producer.h"

namespace pag {

// Sums in double, in an order that depends on the shape alone.
template <class T>
void sum(const T* x, int64_t outer, int64_t n, int64_t inner, double* out);

// Most columns (`inner`) of what is summed as a producer makes it, but for single ones.
template <class T>
constexpr int64_t most_columns_produced() {
  return 2048 / static_cast<int64_t>(sizeof(T));
}
// The same bits of what a producer makes; inner as above.
template <class T>
void sum_produced(const Producer& x, int64_t outer, int64_t n, int64_t inner, double* out);

// Of a long reduction, so many rows of `inner` elements are summed on their own, and the sums of
// these pieces added in order.
constexpr int64_t sum_piece(int64_t inner) {
  return std::max<int64_t>(64, (2 * kGrain + inner - 1) / inner);
}

// The largest (or smallest) values; n > 0 where outer and inner are. NaN propagates.
template <class T>
void extreme(bool largest, const T* x, int64_t outer, int64_t n, int64_t inner, T* out);

// The same with the first position of each along n, which is below 2^31. The first NaN wins.
template <class T>
void extreme_with_index(bool largest, const T* x, int64_t outer, int64_t n, int64_t inner, T* out,
                        int64_t* index);

// Any dimensions are reduced in passes, each over one run of neighbouring ones, the innermost
// first. There is at least one pass.
struct ReducePass {
  int64_t outer = 1, n = 1, inner = 1;
  int64_t results() const { return outer * inner; }
};
std::vector<ReducePass> reduce_passes(const std::vector<int64_t>& shape,
                                      const std::vector<bool>& reduced);

template <class T>
void extreme(bool largest, const T* x, const std::vector<ReducePass>& passes, T* out);

// out = scale * sum of x, or where that is null of what the producer makes; in double from the
// first pass to the last. `partial` is working memory, which can be handed in again.
template <class T>
void sum(const T* x, const Producer* producer, const std::vector<ReducePass>& passes, double scale,
         std::vector<std::vector<double>>* partial, T* out);

}  // namespace pag
