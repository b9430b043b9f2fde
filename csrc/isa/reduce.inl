// Sums: float32 accumulates in float32 vectors over short blocks and in double across blocks.
#include "isa/vec.h"

namespace {

constexpr int64_t kSumBlock = 512;

template <class T>
double sum_contiguous(const T* x, int64_t n) {
  constexpr int L = kLanes<T>;
  double total = 0;
  for (int64_t start = 0; start < n; start += kSumBlock) {
    const int64_t end = start + kSumBlock < n ? start + kSumBlock : n;
    Vec<T> acc[4] = {};
    int64_t i = start;
    for (; i + 4 * L <= end; i += 4 * L)
      for (int u = 0; u < 4; ++u) acc[u] += vload(x + i + u * L);
    for (; i + L <= end; i += L) acc[0] += vload(x + i);
    if (i < end) acc[1] += vload(x + i, static_cast<int>(end - i));
    total += static_cast<double>(vsum<T>((acc[0] + acc[1]) + (acc[2] + acc[3])));
  }
  return total;
}

// Rows are added in blocks of 16 in T before they reach the double accumulator.
template <class T>
void sum_rows(double* out, const T* x, int64_t rows, int64_t stride, int64_t n) {
  constexpr int L = kLanes<T>;
  for (int64_t r = 0; r < rows; r += 16) {
    const int64_t block = rows - r < 16 ? rows - r : 16;
    const T* base = x + r * stride;
    for (int64_t j = 0; j < n; j += L) {
      const int lanes = n - j < L ? static_cast<int>(n - j) : L;
      Vec<T> acc{};
      if (lanes == L)
        for (int64_t i = 0; i < block; ++i) acc += vload(base + i * stride + j);
      else
        for (int64_t i = 0; i < block; ++i) acc += vload(base + i * stride + j, lanes);
      for (int i = 0; i < lanes; ++i) out[j + i] += static_cast<double>(acc[i]);
    }
  }
}

}  // namespace
