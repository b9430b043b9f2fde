// Normalisation: sums around a shift, and the passes that use them, over contiguous values, over
// whole rows, and down columns.
#include "isa/vloop.h"

namespace {

// sums[k] = the sums of f(i, lanes, term)'s two terms, whose dead lanes are zero: in T over short
// blocks, in double across them.
template <class T, class F>
PAG_INLINE void blocked_sums(int64_t n, double* sums, F f) {
  constexpr int L = kLanes<T>;
  constexpr int64_t kBlock = 512;
  sums[0] = sums[1] = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t end = start + kBlock < n ? start + kBlock : n;
    Vec<T> first[4] = {}, second[4] = {}, a, b;
    int64_t i = start;
    for (; i + 4 * L <= end; i += 4 * L)
      for (int u = 0; u < 4; ++u) {
        f(i + u * L, L, &a, &b);
        first[u] += a;
        second[u] += b;
      }
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) {  // unrolled, or the sums would lie in memory
      if (i >= end) break;
      f(i, end - i < L ? static_cast<int>(end - i) : L, &a, &b);
      first[u] += a;
      second[u] += b;
      i += L;
    }
    sums[0] += static_cast<double>(vsum<T>((first[0] + first[1]) + (first[2] + first[3])));
    sums[1] += static_cast<double>(vsum<T>((second[0] + second[1]) + (second[2] + second[3])));
  }
}

template <class T>
void norm_moments(const T* x, int64_t n, T shift, double* sums) {
  const Vec<T> m = vset(shift);
  blocked_sums<T>(n, sums,
                  [=](int64_t i, int lanes, Vec<T>* a, Vec<T>* b) __attribute__((always_inline)) {
                    *a = vkeep_lanes<T>(vload_lanes(x + i, lanes) - m, lanes, Vec<T>{});
                    *b = *a * *a;
                  });
}

template <class T>
PAG_INLINE void norm_apply(T* y, const T* x, int64_t n, T mean, T scale, T bias) {
  const Vec<T> m = vset(mean), s = vset(scale), b = vset(bias);
  each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
    vstore_lanes(y + i, (vload_lanes(x + i, lanes) - m) * s + b, lanes);
  });
}

template <class T>
PAG_INLINE void norm_grad_sums(const T* g, const T* x, int64_t n, T mean, double* sums) {
  const Vec<T> m = vset(mean);
  blocked_sums<T>(n, sums,
                  [=](int64_t i, int lanes, Vec<T>* a, Vec<T>* b) __attribute__((always_inline)) {
                    *a = vload_lanes(g + i, lanes);
                    *b = *a * (vload_lanes(x + i, lanes) - m);
                  });
}

template <class T>
PAG_INLINE void norm_grad(T* out, const T* g, const T* x, int64_t n, T mean, T scale, T shift,
                          T slope) {
  const Vec<T> m = vset(mean), a = vset(scale), b = vset(shift), c = vset(slope);
  each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
    const Vec<T> d = vload_lanes(x + i, lanes) - m;
    vstore_lanes(out + i, vload_lanes(g + i, lanes) * a - b - d * c, lanes);
  });
}

// ---- rows ---------------------------------------------------------------------------------------

// Mean and variance of a row: two passes, of which the second finds it in the cache.
template <class T>
PAG_INLINE void row_statistics(const T* x, int64_t n, bool centred, T* mean, T* var) {
  const double share = 1 / static_cast<double>(n);
  double rounding = 0;
  *mean = 0;
  if (centred) {
    const double exact = blocked_sum<T>(n,
                                        [=](int64_t i, int lanes) __attribute__((always_inline)) {
                                          return vload_lanes(x + i, lanes);
                                        }) *
                         share;
    *mean = static_cast<T>(exact);
    rounding = exact - static_cast<double>(*mean);
  }
  const Vec<T> m = vset(*mean);
  const double squares =
      blocked_sum<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
        const Vec<T> d = vload_lanes(x + i, lanes) - m;
        return vkeep_lanes<T>(d * d, lanes, Vec<T>{});
      });
  const double variance = squares * share - rounding * rounding;
  *var = static_cast<T>(variance < 0 ? 0 : variance);
}

template <class T>
void norm_rows(T* y, const T* x, int64_t rows, int64_t n, double eps, bool centred, const T* weight,
               const T* bias, T* mean, T* var) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    row_statistics(x, n, centred, mean + r, var + r);
    const Vec<T> m = vset(mean[r]),
                 s = vset(static_cast<T>(1 / __builtin_sqrt(static_cast<double>(var[r]) + eps)));
    each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
      Vec<T> h = (vload_lanes(x + i, lanes) - m) * s;
      if (weight) h = h * vload_lanes(weight + i, lanes);
      if (bias) h = h + vload_lanes(bias + i, lanes);
      vstore_lanes(y + i, h, lanes);
    });
  }
}

template <class T, bool Weighted>
PAG_INLINE void norm_grad_each_row(T* out, const T* g, const T* x, int64_t rows, int64_t n,
                                   double eps, bool centred, const T* weight, const T* mean,
                                   const T* var, T* weight_sum, T* bias_sum) {
  for (int64_t row = 0; row < rows; ++row, g += n, x += n, out += n) {
    const double r = 1 / __builtin_sqrt(static_cast<double>(var[row]) + eps);
    const Vec<T> m = vset(mean[row]), s = vset(static_cast<T>(r));
    double sums[2];
    blocked_sums<T>(n, sums,
                    [=](int64_t i, int lanes, Vec<T>* a, Vec<T>* b) __attribute__((always_inline)) {
                      const Vec<T> d = vload_lanes(x + i, lanes) - m;
                      *a = vload_lanes(g + i, lanes);
                      if (Weighted) {
                        const Vec<T> bias = vload_lanes(bias_sum + i, lanes) + *a,
                                     by_weight = vload_lanes(weight_sum + i, lanes) + *a * d * s;
                        vstore_lanes(bias_sum + i, bias, lanes);
                        vstore_lanes(weight_sum + i, by_weight, lanes);
                        *a = *a * vload_lanes(weight + i, lanes);
                      }
                      *b = *a * d;
                    });
    const double count = static_cast<double>(n);
    const Vec<T> shift = vset(static_cast<T>(centred ? r * sums[0] / count : 0)),
                 slope = vset(static_cast<T>(r * r * r * sums[1] / count));
    each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
      const Vec<T> d = vload_lanes(x + i, lanes) - m;
      Vec<T> v = vload_lanes(g + i, lanes);
      if (Weighted) v = v * vload_lanes(weight + i, lanes);
      vstore_lanes(out + i, v * s - shift - d * slope, lanes);
    });
  }
}

template <class T>
void norm_grad_rows(T* out, const T* g, const T* x, int64_t rows, int64_t n, double eps,
                    bool centred, const T* weight, const T* mean, const T* var, T* weight_sum,
                    T* bias_sum) {
  if (weight)
    norm_grad_each_row<T, true>(out, g, x, rows, n, eps, centred, weight, mean, var, weight_sum,
                                bias_sum);
  else
    norm_grad_each_row<T, false>(out, g, x, rows, n, eps, centred, weight, mean, var, weight_sum,
                                 bias_sum);
}

template <class T>
void norm_row_statistics(const T* x, int64_t n, bool centred, T* mean, T* var) {
  row_statistics(x, n, centred, mean, var);
}

// ---- runs of a row, each with a weight of its own -----------------------------------------------

template <class T>
void norm_apply_runs(T* y, const T* x, int64_t runs, int64_t n, T mean, T scale, const T* weight,
                     const T* bias) {
  for (int64_t r = 0; r < runs; ++r)
    norm_apply(y + r * n, x + r * n, n, mean, scale * weight[r], bias ? bias[r] : T{0});
}

template <class T>
void norm_grad_sums_runs(const T* g, const T* x, int64_t runs, int64_t n, T mean, double* sums) {
  for (int64_t r = 0; r < runs; ++r) norm_grad_sums(g + r * n, x + r * n, n, mean, sums + 2 * r);
}

template <class T>
void norm_grad_runs(T* out, const T* g, const T* x, int64_t runs, int64_t n, T mean, double scale,
                    const T* weight, T shift, T slope) {
  for (int64_t r = 0; r < runs; ++r)
    norm_grad(out + r * n, g + r * n, x + r * n, n, mean,
              static_cast<T>(scale * static_cast<double>(weight[r])), shift, slope);
}

// ---- columns ------------------------------------------------------------------------------------

// sums[0][j], sums[1][j] = the sums over n rows of f(r, j, lanes, term)'s two terms: in T over
// blocks of rows, in double across them.
template <class T, class F>
PAG_INLINE void column_sums(int64_t n, int64_t width, double* first, double* second, F f) {
  constexpr int L = kLanes<T>;
  constexpr int64_t kRows = 32;
  for (int64_t j = 0; j < width; ++j) first[j] = second[j] = 0;
  for (int64_t start = 0; start < n; start += kRows) {
    const int64_t end = start + kRows < n ? start + kRows : n;
    int64_t j = 0;
    for (; j + 4 * L <= width; j += 4 * L) {
      Vec<T> a[4] = {}, b[4] = {}, s, t;
      for (int64_t r = start; r < end; ++r)
        for (int u = 0; u < 4; ++u) {
          f(r, j + u * L, L, &s, &t);
          a[u] += s;
          b[u] += t;
        }
      for (int u = 0; u < 4; ++u)
        for (int i = 0; i < L; ++i) {
          first[j + u * L + i] += static_cast<double>(a[u][i]);
          second[j + u * L + i] += static_cast<double>(b[u][i]);
        }
    }
    for (; j < width; j += L) {
      const int lanes = width - j < L ? static_cast<int>(width - j) : L;
      Vec<T> a{}, b{}, s, t;
      for (int64_t r = start; r < end; ++r) {
        f(r, j, lanes, &s, &t);
        a += s;
        b += t;
      }
      for (int i = 0; i < lanes; ++i) {
        first[j + i] += static_cast<double>(a[i]);
        second[j + i] += static_cast<double>(b[i]);
      }
    }
  }
}

template <class T>
void norm_moments_columns(const T* x, int64_t n, int64_t stride, int64_t width, const T* shift,
                          double* sums, double* squares) {
  column_sums<T>(n, width, sums, squares,
                 [=](int64_t r, int64_t j, int lanes, Vec<T>* a, Vec<T>* b)
                     __attribute__((always_inline)) {
                       *a = vload_lanes(x + r * stride + j, lanes) - vload_lanes(shift + j, lanes);
                       *b = *a * *a;
                     });
}

template <class T>
void norm_apply_columns(T* y, const T* x, int64_t n, int64_t stride, int64_t width, const T* mean,
                        const T* scale, const T* bias) {
  for (int64_t r = 0; r < n; ++r)
    each_vector<T>(width, [&](int64_t j, int lanes) __attribute__((always_inline)) {
      const Vec<T> d = vload_lanes(x + r * stride + j, lanes) - vload_lanes(mean + j, lanes);
      vstore_lanes(y + r * stride + j,
                   d * vload_lanes(scale + j, lanes) + vload_lanes(bias + j, lanes), lanes);
    });
}

template <class T>
void norm_grad_sums_columns(const T* g, const T* x, int64_t n, int64_t stride, int64_t width,
                            const T* mean, double* g_sum, double* gx_sum) {
  column_sums<T>(n, width, g_sum, gx_sum,
                 [=](int64_t r, int64_t j, int lanes, Vec<T>* a, Vec<T>* b)
                     __attribute__((always_inline)) {
                       const int64_t at = r * stride + j;
                       *a = vload_lanes(g + at, lanes);
                       *b = *a * (vload_lanes(x + at, lanes) - vload_lanes(mean + j, lanes));
                     });
}

template <class T>
void norm_grad_columns(T* out, const T* g, const T* x, int64_t n, int64_t stride, int64_t width,
                       const T* mean, const T* scale, const T* shift, const T* slope) {
  for (int64_t r = 0; r < n; ++r)
    each_vector<T>(width, [&](int64_t j, int lanes) __attribute__((always_inline)) {
      const int64_t at = r * stride + j;
      const Vec<T> d = vload_lanes(x + at, lanes) - vload_lanes(mean + j, lanes);
      const Vec<T> v = vload_lanes(g + at, lanes) * vload_lanes(scale + j, lanes);
      vstore_lanes(out + at, v - vload_lanes(shift + j, lanes) - d * vload_lanes(slope + j, lanes),
                   lanes);
    });
}

}  // namespace
