// Reductions over one run of neighbouring dimensions of a C-contiguous array, seen as
// (outer, n, inner) -> (outer, inner).
#pragma once
#include <cstdint>
#include <vector>

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

// out = scale * sum, in double from the first pass to the last. `partial` is working memory, which
// can be handed in again.
template <class T>
void sum(const T* x, const std::vector<ReducePass>& passes, double scale,
         std::vector<std::vector<double>>* partial, T* out);

}  // namespace pag
