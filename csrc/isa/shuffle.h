// Even and odd lanes of two vectors, and their way back; lanes by their numbers.
#pragma once
#include "isa/vloop.h"

namespace {

#define PAG_EVEN_4 0, 2, 4, 6
#define PAG_EVEN_8 PAG_EVEN_4, 8, 10, 12, 14
#define PAG_EVEN_16 PAG_EVEN_8, 16, 18, 20, 22, 24, 26, 28, 30
#define PAG_ODD_4 1, 3, 5, 7
#define PAG_ODD_8 PAG_ODD_4, 9, 11, 13, 15
#define PAG_ODD_16 PAG_ODD_8, 17, 19, 21, 23, 25, 27, 29, 31
#if PAG_VEC_BYTES == 64
#define PAG_SHUFFLES(name, f, d)                                                         \
  PAG_INLINE VecF name(VecF a, VecF b) { return PAG_SHUFFLE(VecF, VecI, a, b, f##_16); } \
  PAG_INLINE VecD name(VecD a, VecD b) { return PAG_SHUFFLE(VecD, VecL, a, b, d##_8); }
#elif PAG_VEC_BYTES == 32
#define PAG_SHUFFLES(name, f, d)                                                        \
  PAG_INLINE VecF name(VecF a, VecF b) { return PAG_SHUFFLE(VecF, VecI, a, b, f##_8); } \
  PAG_INLINE VecD name(VecD a, VecD b) { return PAG_SHUFFLE(VecD, VecL, a, b, d##_4); }
#else
#define PAG_SHUFFLES(name, f, d)                                                        \
  PAG_INLINE VecF name(VecF a, VecF b) { return PAG_SHUFFLE(VecF, VecI, a, b, f##_4); } \
  PAG_INLINE VecD name(VecD a, VecD b) { return PAG_SHUFFLE(VecD, VecL, a, b, d##_2); }
#endif
#define PAG_EVEN_2 0, 2
#define PAG_ODD_2 1, 3
// a0 b0 a1 b1 ... from the lower and from the upper halves of a and b.
#define PAG_LOW_2 0, 2
#define PAG_LOW_4 0, 4, 1, 5
#define PAG_LOW_8 0, 8, 1, 9, 2, 10, 3, 11
#define PAG_LOW_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define PAG_HIGH_2 1, 3
#define PAG_HIGH_4 2, 6, 3, 7
#define PAG_HIGH_8 4, 12, 5, 13, 6, 14, 7, 15
#define PAG_HIGH_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

// The indices pass through one more macro, so that their list is expanded.
#if defined(__clang__)
#define PAG_SHUFFLE(V, M, a, b, ...) (V) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PAG_SHUFFLE(V, M, a, b, ...) __builtin_shuffle(a, b, M{__VA_ARGS__})
#endif
PAG_SHUFFLES(veven, PAG_EVEN, PAG_EVEN)
PAG_SHUFFLES(vodd, PAG_ODD, PAG_ODD)
PAG_SHUFFLES(vzip_low, PAG_LOW, PAG_LOW)
PAG_SHUFFLES(vzip_high, PAG_HIGH, PAG_HIGH)

// 2 * lanes values as their even and odd ones.
template <class T>
PAG_INLINE void load_pairs(const T* p, int lanes, Vec<T>* even, Vec<T>* odd) {
  constexpr int L = kLanes<T>;
  const int n = 2 * lanes;
  const Vec<T> a = n >= L ? vload(p) : vload(p, n);
  const Vec<T> b = n >= 2 * L ? vload(p + L) : n > L ? vload(p + L, n - L) : Vec<T>{};
  *even = veven(a, b);
  *odd = vodd(a, b);
}
template <class T>
PAG_INLINE void store_pairs(T* p, int lanes, Vec<T> even, Vec<T> odd) {
  constexpr int L = kLanes<T>;
  const int n = 2 * lanes;
  const Vec<T> a = vzip_low(even, odd), b = vzip_high(even, odd);
  vstore_lanes(p, a, n < L ? n : L);
  if (n > L) vstore_lanes(p + L, b, n - L);
}

// ---- lanes picked by their numbers --------------------------------------------------------------

// v[place[i]], and the same from two vectors on end.
#if PAG_VEC_BYTES == 64
PAG_INLINE VecF vpick(VecF v, VecI place) {
  return (VecF)_mm512_permutexvar_ps((__m512i)place, (__m512)v);
}
PAG_INLINE VecD vpick(VecD v, VecL place) {
  return (VecD)_mm512_permutexvar_pd((__m512i)place, (__m512d)v);
}
PAG_INLINE VecF vpick(VecF a, VecF b, VecI place) {
  return (VecF)_mm512_permutex2var_ps((__m512)a, (__m512i)place, (__m512)b);
}
PAG_INLINE VecD vpick(VecD a, VecD b, VecL place) {
  return (VecD)_mm512_permutex2var_pd((__m512d)a, (__m512i)place, (__m512d)b);
}
#elif PAG_VEC_BYTES == 32
PAG_INLINE VecF vpick(VecF v, VecI place) {
  return (VecF)_mm256_permutevar8x32_ps((__m256)v, (__m256i)place);
}
PAG_INLINE VecD vpick(VecD v, VecL place) {  // as pairs of words
  const VecL low = place * 2;
  return (VecD)vpick((VecF)v, (VecI)(low | ((low + 1) << 32)));
}
template <class V, class M>
PAG_INLINE V vpick(V a, V b, M place) {  // the instruction looks at the low bits alone
  constexpr int L = sizeof(V) / sizeof(a[0]);
  return vselect(place < M{} + L, vpick(a, place), vpick(b, place));
}
#else
template <class V, class M>
PAG_INLINE V vpick(V a, V b, M place) {
#if defined(__clang__)
  constexpr int L = sizeof(V) / sizeof(a[0]);
  V v{};
  for (int i = 0; i < L; ++i) v[i] = place[i] < L ? a[place[i]] : b[place[i] - L];
  return v;
#else
  return __builtin_shuffle(a, b, place);
#endif
}
template <class V, class M>
PAG_INLINE V vpick(V v, M place) {
  return vpick(v, v, place);
}
#endif

}  // namespace
