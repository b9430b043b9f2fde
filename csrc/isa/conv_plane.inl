// Correlations plane by plane: a tile of output rows in registers, an input loaded once for all of
// its rows.
#pragma once
#include "isa/conv.inl"
#include "isa/conv_plane.h"

namespace {

using pag::PlaneCorrelation;
using pag::PlaneProducts;
using pag::TapColumn;

// Output rows of a tile of two vectors each, whose sums, inputs and one weight fit the registers.
// Narrower tiles are higher, or each addition would wait for the one before it.
#if PAG_VEC_BYTES == 64 || defined(__aarch64__)
constexpr int kPlaneRows = 6;
#else
constexpr int kPlaneRows = 4;
#endif

// ---- a vector, or half of one -------------------------------------------------------------------

template <class T>
struct Whole {
  using V = Vec<T>;
  static constexpr int kCount = kLanes<T>;
  static PAG_INLINE V load(const T* p) { return vload(p); }
  static PAG_INLINE V load(const T* p, int lanes) { return vload_lanes(p, lanes); }
  static PAG_INLINE void store(T* p, V v, int lanes) { vstore_lanes(p, v, lanes); }
  static PAG_INLINE V set(T x) { return vset(x); }
  static PAG_INLINE V fma(V a, V b, V c) { return vfma(a, b, c); }
};

// Narrow rows in half vectors: processors that run two of them in the time of one gain, others lose
// nothing. With vectors of 32 bytes halves would not be faster.
#if PAG_VEC_BYTES == 64
constexpr bool kHalves = true;
template <class T>
struct Half;
template <>
struct Half<float> {
  using V = __m256;
  static constexpr int kCount = 8;
  static PAG_INLINE V load(const float* p) { return _mm256_loadu_ps(p); }
  static PAG_INLINE V load(const float* p, int lanes) {
    return _mm256_maskz_loadu_ps(static_cast<__mmask8>((1u << lanes) - 1), p);
  }
  static PAG_INLINE void store(float* p, V v, int lanes) {
    _mm256_mask_storeu_ps(p, static_cast<__mmask8>((1u << lanes) - 1), v);
  }
  static PAG_INLINE V set(float x) { return _mm256_set1_ps(x); }
  static PAG_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
};
template <>
struct Half<double> {
  using V = __m256d;
  static constexpr int kCount = 4;
  static PAG_INLINE V load(const double* p) { return _mm256_loadu_pd(p); }
  static PAG_INLINE V load(const double* p, int lanes) {
    return _mm256_maskz_loadu_pd(static_cast<__mmask8>((1u << lanes) - 1), p);
  }
  static PAG_INLINE void store(double* p, V v, int lanes) {
    _mm256_mask_storeu_pd(p, static_cast<__mmask8>((1u << lanes) - 1), v);
  }
  static PAG_INLINE V set(double x) { return _mm256_set1_pd(x); }
  static PAG_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
};
#else
constexpr bool kHalves = false;
template <class T>
using Half = Whole<T>;
#endif

// Strips of columns of a plane: f(column, lanes, W) where W is Wide (two vectors), One or Narrow.
template <class T, class Wide, class One, class Narrow>
PAG_INLINE void each_strip(int64_t columns, Wide wide, One one, Narrow narrow) {
  constexpr int L = kLanes<T>;
  int64_t x = 0;
  while (x < columns) {
    const int64_t left = columns - x;
    const bool half_ends = kHalves && left > L && left <= L + L / 2;
    if (left > L && !half_ends) {
      wide(x, static_cast<int>(left < 2 * L ? left : 2 * L));
      x += 2 * L;
    } else if (kHalves && left <= L / 2) {
      narrow(x, static_cast<int>(left));
      x += L;
    } else {
      one(x, static_cast<int>(left < L ? left : L));
      x += L;
    }
  }
}

// ---- correlation --------------------------------------------------------------------------------

// A column of `Count` taps, for R rows of C vectors.
template <class T, class W, int R, int C, int Count>
PAG_INLINE void add_tap_column(const T* x, int64_t x_row, const T* w, typename W::V (&acc)[R][C]) {
  PAG_UNROLL
  for (int i = 0; i < R + Count - 1; ++i, x += x_row) {
    typename W::V xv[C];
    PAG_UNROLL
    for (int c = 0; c < C; ++c) xv[c] = W::load(x + c * W::kCount);
    asm volatile("" : "+r"(x));  // or the addresses of all rows would be kept in registers
    PAG_UNROLL
    for (int j = 0; j < Count; ++j)
      if (i - j >= 0 && i - j < R) {
        const typename W::V wv = W::set(w[j]);
        PAG_UNROLL
        for (int c = 0; c < C; ++c) acc[i - j][c] = W::fma(wv, xv[c], acc[i - j][c]);
      }
  }
}

// R rows of C vectors; the last vector has `lanes` columns, and `rows` rows exist.
template <class T, class W, int R, int C>
void plane_tile(const PlaneCorrelation<T>& p, const T* x, T* out, int64_t rows, int lanes) {
  typename W::V acc[R][C];
  PAG_UNROLL
  for (int r = 0; r < R; ++r) PAG_UNROLL
  for (int c = 0; c < C; ++c) acc[r][c] = W::set(p.start);
  const T* w = p.w;
  for (int64_t t = 0; t < p.tap_columns; ++t) {
    const T* from = x + p.taps[t].offset;
    switch (p.taps[t].count) {
      case 1:
        add_tap_column<T, W, R, C, 1>(from, p.x_row, w, acc);
        break;
      case 2:
        add_tap_column<T, W, R, C, 2>(from, p.x_row, w, acc);
        break;
      case 3:
        add_tap_column<T, W, R, C, 3>(from, p.x_row, w, acc);
        break;
      default:
        add_tap_column<T, W, R, C, 5>(from, p.x_row, w, acc);
    }
    w += p.taps[t].count;
  }
  PAG_UNROLL
  for (int r = 0; r < R; ++r)
    if (r < rows) {
      PAG_UNROLL
      for (int c = 0; c < C; ++c)
        W::store(out + r * p.out_row + c * W::kCount, acc[r][c], c == C - 1 ? lanes : W::kCount);
    }
}

// An odd last row is computed with one below it that is not stored.
template <class T, class W, int C>
PAG_INLINE void plane_strip(const PlaneCorrelation<T>& p, int64_t column, int lanes) {
  constexpr int kHigh = C == 1 ? 8 : kPlaneRows;
  const T* x = p.x + column;
  T* out = p.out + column;
  int height;
  for (int64_t y = 0; y < p.rows; y += height, x += height * p.x_row, out += height * p.out_row) {
    const int64_t left = p.rows - y;
    if (left >= kHigh - 1 && (C == 1 || left > 8 || left == 6)) {
      plane_tile<T, W, kHigh, C>(p, x, out, left, lanes);
      height = kHigh;
    } else if (C == 1 && left > 4 && left <= 6) {
      plane_tile<T, W, 6, 1>(p, x, out, left, lanes);
      height = 6;
    } else if (left > 2) {
      plane_tile<T, W, 4, C>(p, x, out, left, lanes);
      height = 4;
    } else {
      plane_tile<T, W, 2, C>(p, x, out, left, lanes);
      height = 2;
    }
  }
}

template <class T>
void plane_correlate(const PlaneCorrelation<T>& p) {
  each_strip<T>(
      p.columns, [&](int64_t x, int n) { plane_strip<T, Whole<T>, 2>(p, x, n - kLanes<T>); },
      [&](int64_t x, int n) { plane_strip<T, Whole<T>, 1>(p, x, n); },
      [&](int64_t x, int n) { plane_strip<T, Half<T>, 1>(p, x, n); });
}

// ---- products -----------------------------------------------------------------------------------

// R rows of one vector; two sets of sums, so that one need not wait for the other.
template <class T, class W, int R, int Count>
PAG_INLINE void add_tap_products(const T* x, int64_t x_row, const T* g, int64_t g_row, int lanes,
                                 typename W::V (&acc)[Count][2]) {
  typename W::V gv[R];
  PAG_UNROLL
  for (int r = 0; r < R; ++r) gv[r] = W::load(g + r * g_row, lanes);
  PAG_UNROLL
  for (int i = 0; i < R + Count - 1; ++i, x += x_row) {
    const typename W::V xv = W::load(x, lanes);
    asm volatile("" : "+r"(x));
    PAG_UNROLL
    for (int j = 0; j < Count; ++j)
      if (i - j >= 0 && i - j < R) acc[j][i % 2] = W::fma(xv, gv[i - j], acc[j][i % 2]);
  }
}

template <class T, class W, int Count>
void column_products(const PlaneProducts<T>& p, const T* x, const T* g, int lanes, T* sums) {
  typename W::V acc[Count][2] = {};
  int64_t y = 0;
  for (; y + kPlaneRows <= p.rows; y += kPlaneRows)
    add_tap_products<T, W, kPlaneRows, Count>(x + y * p.x_row, p.x_row, g + y * p.g_row, p.g_row,
                                              lanes, acc);
  for (; y + 2 <= p.rows; y += 2)
    add_tap_products<T, W, 2, Count>(x + y * p.x_row, p.x_row, g + y * p.g_row, p.g_row, lanes,
                                     acc);
  if (y < p.rows)
    add_tap_products<T, W, 1, Count>(x + y * p.x_row, p.x_row, g + y * p.g_row, p.g_row, lanes,
                                     acc);
  PAG_UNROLL
  for (int j = 0; j < Count; ++j) {
    T* to = sums + j * kLanes<T>;
    W::store(to, W::load(to) + (acc[j][0] + acc[j][1]), W::kCount);
  }
}

template <class T, class W>
PAG_INLINE void strip_products(const PlaneProducts<T>& p, int64_t column, int lanes) {
  T* sums = p.sums;
  for (int64_t t = 0; t < p.tap_columns; ++t) {
    const T* x = p.x + column + p.taps[t].offset;
    const T* g = p.g + column;
    switch (p.taps[t].count) {
      case 1:
        column_products<T, W, 1>(p, x, g, lanes, sums);
        break;
      case 2:
        column_products<T, W, 2>(p, x, g, lanes, sums);
        break;
      case 3:
        column_products<T, W, 3>(p, x, g, lanes, sums);
        break;
      default:
        column_products<T, W, 5>(p, x, g, lanes, sums);
    }
    sums += p.taps[t].count * kLanes<T>;
  }
}

template <class T>
void plane_add_products(const PlaneProducts<T>& p) {
  constexpr int L = kLanes<T>;
  each_strip<T>(
      p.columns,
      [&](int64_t x, int n) {
        strip_products<T, Whole<T>>(p, x, L);
        strip_products<T, Whole<T>>(p, x + L, n - L);
      },
      [&](int64_t x, int n) { strip_products<T, Whole<T>>(p, x, n); },
      [&](int64_t x, int n) { strip_products<T, Half<T>>(p, x, n); });
}

template <class T>
void plane_sum_lanes(int64_t n, const T* sums, T* out) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < n; i += L) {
    const int count = static_cast<int>(n - i < L ? n - i : L);
    Vec<T> rows[L];
    PAG_UNROLL
    for (int l = 0; l < L; ++l) rows[l] = l < count ? vload(sums + (i + l) * L) : Vec<T>{};
    vtranspose<T>(rows);
    PAG_UNROLL
    for (int half = L / 2; half > 0; half /= 2) PAG_UNROLL
    for (int l = 0; l < half; ++l) rows[l] += rows[l + half];
    vstore_lanes(out + i, rows[0], count);
  }
}

template <class T>
void plane_weave(int64_t n, const T* even, const T* odd, T* out) {
  constexpr int L = kLanes<T>;
  typename LaneIndex<T>::type low, high;
  for (int l = 0; l < L; ++l) {
    low[l] = l / 2 + l % 2 * L;
    high[l] = L / 2 + l / 2 + l % 2 * L;
  }
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    const Vec<T> a = vload(even + i / 2), b = vload(odd + i / 2);
    vstore(out + i, Vec<T>(__builtin_shuffle(a, b, low)));
    vstore(out + i + L, Vec<T>(__builtin_shuffle(a, b, high)));
  }
  for (; i < n; ++i) out[i] = i % 2 ? odd[i / 2] : even[i / 2];
}

}  // namespace

#define PAG_CONV_PLANE_LOOPS(T) \
  {kLanes<T>, plane_correlate<T>, plane_add_products<T>, plane_sum_lanes<T>, plane_weave<T>}
