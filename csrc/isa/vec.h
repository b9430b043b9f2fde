// Vectors of PAG_VEC_BYTES bytes on the compiler's vector extension: arithmetic, comparisons and
// selection are the language's own, so the same source serves SSE, AVX2, AVX-512 and NEON.
//
// Included only by the per-ISA files. Everything is in an unnamed namespace: a shared inline
// function could be taken by the linker from the copy built for a newer processor.
#pragma once
#include <stddef.h>
#include <stdint.h>
#if PAG_VEC_BYTES > 16
#include <immintrin.h>
#elif defined(PAG_NEON)
#include <arm_neon.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#define PAG_INLINE inline __attribute__((always_inline))

namespace {

template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(PAG_VEC_BYTES)));
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
constexpr int kLanes = PAG_VEC_BYTES / sizeof(T);

using VecF = Vec<float>;
using VecD = Vec<double>;
using VecI = Vec<int32_t>;
using VecL = Vec<int64_t>;

template <class T>
struct Unaligned {
  typedef T type __attribute__((vector_size(PAG_VEC_BYTES), aligned(1), may_alias));
};

// ---- moving -------------------------------------------------------------------------------------

template <class T>
PAG_INLINE Vec<T> vload(const T* p) {
  return *reinterpret_cast<const typename Unaligned<T>::type*>(p);
}
template <class T>
PAG_INLINE void vstore(T* p, Vec<T> v) {
  *reinterpret_cast<typename Unaligned<T>::type*>(p) = v;
}

// The first n lanes, 0 < n < kLanes<T>; the others are zero, and their memory is not touched.
template <class T>
PAG_INLINE Vec<T> vload(const T* p, int n) {
  Vec<T> v{};
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
template <class T>
PAG_INLINE void vstore(T* p, Vec<T> v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}

template <class T>
PAG_INLINE Vec<T> vset(T x) {
  Vec<T> v;
  for (int i = 0; i < kLanes<T>; ++i) v[i] = x;
  return v;
}

#if PAG_VEC_BYTES == 64
PAG_INLINE __mmask16 low_mask16(int n) { return static_cast<__mmask16>((1u << n) - 1); }
PAG_INLINE __mmask8 low_mask8(int n) { return static_cast<__mmask8>((1u << n) - 1); }
template <>
PAG_INLINE VecF vload(const float* p, int n) {
  return (VecF)_mm512_maskz_loadu_ps(low_mask16(n), p);
}
template <>
PAG_INLINE VecD vload(const double* p, int n) {
  return (VecD)_mm512_maskz_loadu_pd(low_mask8(n), p);
}
template <>
PAG_INLINE void vstore(float* p, VecF v, int n) {
  _mm512_mask_storeu_ps(p, low_mask16(n), (__m512)v);
}
template <>
PAG_INLINE void vstore(double* p, VecD v, int n) {
  _mm512_mask_storeu_pd(p, low_mask8(n), (__m512d)v);
}
template <>
PAG_INLINE VecF vset(float x) {
  return (VecF)_mm512_set1_ps(x);
}
template <>
PAG_INLINE VecD vset(double x) {
  return (VecD)_mm512_set1_pd(x);
}
#elif PAG_VEC_BYTES == 32
alignas(64) const int32_t kLowLanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
PAG_INLINE __m256i low_lanes(int words) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLowLanes + 8 - words));
}
template <>
PAG_INLINE VecF vload(const float* p, int n) {
  return (VecF)_mm256_maskload_ps(p, low_lanes(n));
}
template <>
PAG_INLINE VecD vload(const double* p, int n) {
  return (VecD)_mm256_maskload_pd(p, low_lanes(2 * n));
}
template <>
PAG_INLINE void vstore(float* p, VecF v, int n) {
  _mm256_maskstore_ps(p, low_lanes(n), (__m256)v);
}
template <>
PAG_INLINE void vstore(double* p, VecD v, int n) {
  _mm256_maskstore_pd(p, low_lanes(2 * n), (__m256d)v);
}
template <>
PAG_INLINE VecF vset(float x) {
  return (VecF)_mm256_set1_ps(x);
}
template <>
PAG_INLINE VecD vset(double x) {
  return (VecD)_mm256_set1_pd(x);
}
#elif defined(PAG_NEON)
template <>
PAG_INLINE VecF vset(float x) {
  return (VecF)vdupq_n_f32(x);
}
template <>
PAG_INLINE VecD vset(double x) {
  return (VecD)vdupq_n_f64(x);
}
#endif

// The lanes [first, last), 0 <= first <= last <= kLanes<T>, as one value for many loads.
#if PAG_VEC_BYTES == 64
template <class T>
PAG_INLINE __mmask16 vrange(int first, int last) {
  return static_cast<__mmask16>(((1u << last) - 1) & ~((1u << first) - 1));
}
PAG_INLINE VecF vload(const float* p, __mmask16 range) {
  return (VecF)_mm512_maskz_loadu_ps(range, p);
}
PAG_INLINE VecD vload(const double* p, __mmask16 range) {
  return (VecD)_mm512_maskz_loadu_pd(static_cast<__mmask8>(range), p);
}
#elif PAG_VEC_BYTES == 32
template <class T>
PAG_INLINE __m256i vrange(int first, int last) {
  constexpr int words = sizeof(T) / 4;
  return _mm256_andnot_si256(low_lanes(words * first), low_lanes(words * last));
}
PAG_INLINE VecF vload(const float* p, __m256i range) { return (VecF)_mm256_maskload_ps(p, range); }
PAG_INLINE VecD vload(const double* p, __m256i range) { return (VecD)_mm256_maskload_pd(p, range); }
#else
struct LaneRange {
  int first, last;
};
template <class T>
PAG_INLINE LaneRange vrange(int first, int last) {
  return {first, last};
}
template <class T>
PAG_INLINE Vec<T> vload(const T* p, LaneRange range) {
  Vec<T> v{};
  for (int i = range.first; i < range.last; ++i) v[i] = p[i];
  return v;
}
#endif

// ---- arithmetic ---------------------------------------------------------------------------------

template <class V>
PAG_INLINE V vzero(V) {
  return V{};
}
PAG_INLINE VecF vone(VecF) { return vset(1.0f); }
PAG_INLINE VecD vone(VecD) { return vset(1.0); }
template <class V>
PAG_INLINE V vone(V) {
  return V{} + 1;
}

template <class M, class V>
PAG_INLINE V vselect(M mask, V yes, V no) {
  return mask ? yes : no;
}
template <class M>
PAG_INLINE M vor(M a, M b) {
  return a | b;
}

// To the nearest integer, of two the even one; down; up; towards 0. Integers stay as they are.
template <class V>
PAG_INLINE V vround(V a) {
  return a;
}
template <class V>
PAG_INLINE V vfloor(V a) {
  return a;
}
template <class V>
PAG_INLINE V vceil(V a) {
  return a;
}
template <class V>
PAG_INLINE V vtrunc(V a) {
  return a;
}
#if PAG_VEC_BYTES == 64
#define PAG_ROUNDING(name, mode, builtin)                                                  \
  PAG_INLINE VecF name(VecF a) { return (VecF)_mm512_roundscale_ps((__m512)a, mode | 8); } \
  PAG_INLINE VecD name(VecD a) { return (VecD)_mm512_roundscale_pd((__m512d)a, mode | 8); }
#elif PAG_VEC_BYTES == 32
#define PAG_ROUNDING(name, mode, builtin)                                             \
  PAG_INLINE VecF name(VecF a) { return (VecF)_mm256_round_ps((__m256)a, mode | 8); } \
  PAG_INLINE VecD name(VecD a) { return (VecD)_mm256_round_pd((__m256d)a, mode | 8); }
#else
#define PAG_ROUNDING(name, mode, builtin)                                        \
  PAG_INLINE VecF name(VecF a) {                                                 \
    for (int i = 0; i < kLanes<float>; ++i) a[i] = __builtin_##builtin##f(a[i]); \
    return a;                                                                    \
  }                                                                              \
  PAG_INLINE VecD name(VecD a) {                                                 \
    for (int i = 0; i < kLanes<double>; ++i) a[i] = __builtin_##builtin(a[i]);   \
    return a;                                                                    \
  }
#endif
PAG_ROUNDING(vround, 0, rint)
PAG_ROUNDING(vfloor, 1, floor)
PAG_ROUNDING(vceil, 2, ceil)
PAG_ROUNDING(vtrunc, 3, trunc)
#undef PAG_ROUNDING

template <class V>
PAG_INLINE V vabs(V a) {
  return vselect(a < 0, -a, a);
}
PAG_INLINE VecF vabs(VecF a) { return (VecF)((VecI)a & 0x7fffffff); }
PAG_INLINE VecD vabs(VecD a) { return (VecD)((VecL)a & 0x7fffffffffffffff); }

// Within [low, high]; NaN stays.
template <class V>
PAG_INLINE V vclamp(V x, V low, V high) {
  x = vselect(x > high, high, x);
  return vselect(x < low, low, x);
}
#if PAG_VEC_BYTES == 64
template <>
PAG_INLINE VecF vclamp(VecF x, VecF low, VecF high) {
  return (VecF)_mm512_max_ps((__m512)low, _mm512_min_ps((__m512)high, (__m512)x));
}
template <>
PAG_INLINE VecD vclamp(VecD x, VecD low, VecD high) {
  return (VecD)_mm512_max_pd((__m512d)low, _mm512_min_pd((__m512d)high, (__m512d)x));
}
#elif PAG_VEC_BYTES == 32
template <>
PAG_INLINE VecF vclamp(VecF x, VecF low, VecF high) {
  return (VecF)_mm256_max_ps((__m256)low, _mm256_min_ps((__m256)high, (__m256)x));
}
template <>
PAG_INLINE VecD vclamp(VecD x, VecD low, VecD high) {
  return (VecD)_mm256_max_pd((__m256d)low, _mm256_min_pd((__m256d)high, (__m256d)x));
}
#endif

// a*b+c; rounded once where the instruction set has it, twice in the baseline build.
#if PAG_VEC_BYTES == 64
PAG_INLINE VecF vfma(VecF a, VecF b, VecF c) {
  return (VecF)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
PAG_INLINE VecD vfma(VecD a, VecD b, VecD c) {
  return (VecD)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
PAG_INLINE VecF vsqrt(VecF a) { return (VecF)_mm512_sqrt_ps((__m512)a); }
PAG_INLINE VecD vsqrt(VecD a) { return (VecD)_mm512_sqrt_pd((__m512d)a); }
#elif PAG_VEC_BYTES == 32
PAG_INLINE VecF vfma(VecF a, VecF b, VecF c) {
  return (VecF)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
PAG_INLINE VecD vfma(VecD a, VecD b, VecD c) {
  return (VecD)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
PAG_INLINE VecF vsqrt(VecF a) { return (VecF)_mm256_sqrt_ps((__m256)a); }
PAG_INLINE VecD vsqrt(VecD a) { return (VecD)_mm256_sqrt_pd((__m256d)a); }
#elif defined(PAG_NEON)
PAG_INLINE VecF vfma(VecF a, VecF b, VecF c) {
  return (VecF)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
PAG_INLINE VecD vfma(VecD a, VecD b, VecD c) {
  return (VecD)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
PAG_INLINE VecF vsqrt(VecF a) { return (VecF)vsqrtq_f32((float32x4_t)a); }
PAG_INLINE VecD vsqrt(VecD a) { return (VecD)vsqrtq_f64((float64x2_t)a); }
#else
PAG_INLINE VecF vfma(VecF a, VecF b, VecF c) { return a * b + c; }
PAG_INLINE VecD vfma(VecD a, VecD b, VecD c) { return a * b + c; }
PAG_INLINE VecF vsqrt(VecF a) {
  for (int i = 0; i < kLanes<float>; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
PAG_INLINE VecD vsqrt(VecD a) {
  for (int i = 0; i < kLanes<double>; ++i) a[i] = __builtin_sqrt(a[i]);
  return a;
}
#endif

// Lanes added in a fixed order: halves, quarters, ...
template <class T>
PAG_INLINE T vsum(Vec<T> v) {
  T lane[kLanes<T>];
  vstore(lane, v);
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}
#if PAG_VEC_BYTES > 16
PAG_INLINE float sum_of_4(__m128 v) {
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps(v, v, 1)));
}
PAG_INLINE float sum_of_8(__m256 v) {
  return sum_of_4(_mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}
#endif
#if PAG_VEC_BYTES == 64
template <>
PAG_INLINE float vsum<float>(VecF v) {
  const __m512d halves = (__m512d)v;
  return sum_of_8(_mm256_add_ps(_mm512_castps512_ps256((__m512)v),
                                _mm256_castpd_ps(_mm512_extractf64x4_pd(halves, 1))));
}
#elif PAG_VEC_BYTES == 32
template <>
PAG_INLINE float vsum<float>(VecF v) {
  return sum_of_8((__m256)v);
}
#endif

}  // namespace
