// Loops over contiguous memory in vectors, the tail through the same expression with fewer lanes.
#pragma once
#include "isa/blocks.h"
#include "isa/vec.h"

namespace {

template <int Bytes>
struct SignedOf;
template <>
struct SignedOf<4> {
  typedef int32_t type;
};
template <>
struct SignedOf<8> {
  typedef int64_t type;
};
// Integers as wide as T: the lanes of a comparison's result.
template <class T>
using Lane = typename SignedOf<sizeof(T)>::type;

alignas(64) const int32_t kCount32[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
alignas(64) const int64_t kCount64[8] = {0, 1, 2, 3, 4, 5, 6, 7};
PAG_INLINE VecI vcount(int32_t) { return vload(kCount32); }
PAG_INLINE VecL vcount(int64_t) { return vload(kCount64); }

// True in the first n lanes.
template <class T>
PAG_INLINE Vec<Lane<T>> vfirst(int n) {
  return vcount(Lane<T>{}) < (Vec<Lane<T>>{} + static_cast<Lane<T>>(n));
}

// The first `lanes` lanes (all of them included), the others zero.
template <class T>
PAG_INLINE Vec<T> vload_lanes(const T* p, int lanes) {
  return lanes == kLanes<T> ? vload(p) : vload(p, lanes);
}
template <class T>
PAG_INLINE void vstore_lanes(T* p, Vec<T> v, int lanes) {
  if (lanes == kLanes<T>)
    vstore(p, v);
  else
    vstore(p, v, lanes);
}
// v with another value in the lanes from `lanes` on.
template <class T>
PAG_INLINE Vec<T> vkeep_lanes(Vec<T> v, int lanes, Vec<T> other) {
  return lanes == kLanes<T> ? v : vselect(vfirst<T>(lanes), v, other);
}

template <class M>
PAG_INLINE bool vany(M mask) {
#if PAG_VEC_BYTES == 64
  return _mm512_test_epi64_mask((__m512i)mask, (__m512i)mask) != 0;
#elif PAG_VEC_BYTES == 32
  return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#elif defined(__SSE2__)
  return _mm_movemask_epi8((__m128i)mask) != 0;
#else
  const VecL words = (VecL)mask;
  return (words[0] | words[1]) != 0;
#endif
}

template <class T>
PAG_INLINE void fill(T* p, int64_t begin, int64_t end, T value) {
  for (int64_t i = begin; i < end; ++i) p[i] = value;
}

// f(i, lanes) for every vector of n elements of T.
template <class T, class F>
PAG_INLINE void each_vector(int64_t n, F f) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) f(i, L);
  if (i < n) f(i, static_cast<int>(n - i));
}

// The sum of f(i, lanes), whose dead lanes are zero: in T over short blocks, in double across them.
template <class T, int64_t kBlock = pag::kSumBlock, class F>
PAG_INLINE double blocked_sum(int64_t n, F f) {
  constexpr int L = kLanes<T>;
  double total = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t end = start + kBlock < n ? start + kBlock : n;
    Vec<T> acc[4] = {};
    int64_t i = start;
    for (; i + 4 * L <= end; i += 4 * L)
      for (int u = 0; u < 4; ++u) acc[u] += f(i + u * L, L);
    for (; i + L <= end; i += L) acc[0] += f(i, L);
    if (i < end) acc[1] += f(i, static_cast<int>(end - i));
    total += static_cast<double>(vsum<T>((acc[0] + acc[1]) + (acc[2] + acc[3])));
  }
  return total;
}

}  // namespace
