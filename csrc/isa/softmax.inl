// Softmax and log-softmax over contiguous rows, or down the columns of a strip. Both subtract the
// maximum first; a NaN does not win it, but reaches the whole row through the sum.
#include "isa/vloop.h"
#include "isa/vmath.h"

extern "C" double log(double);

namespace {

template <class T>
PAG_INLINE Vec<T> vlarger(Vec<T> a, Vec<T> b) {
  return vselect(a > b, a, b);
}

template <class T>
PAG_INLINE T largest_number(const T* x, int64_t n) {
  constexpr int L = kLanes<T>;
  const Vec<T> none = vset(static_cast<T>(-__builtin_inff()));
  Vec<T> top[4] = {none, none, none, none};
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
    for (int u = 0; u < 4; ++u) top[u] = vlarger<T>(vload(x + i + u * L), top[u]);
  for (; i + L <= n; i += L) top[0] = vlarger<T>(vload(x + i), top[0]);
  if (const int rest = static_cast<int>(n - i))
    top[1] = vlarger<T>(vkeep_lanes<T>(vload(x + i, rest), rest, none), top[1]);
  T lane[L];
  vstore(lane, vlarger<T>(vlarger<T>(top[0], top[1]), vlarger<T>(top[2], top[3])));
  for (int half = L / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) lane[j] = lane[j] > lane[j + half] ? lane[j] : lane[j + half];
  return lane[0];
}

// exp of what softmax meets: x <= 88 (all but rounding are <= 0). Without vexp's care for denormal
// results, which are zero here but under AVX-512, it costs a third less.
PAG_INLINE VecF exp_normal(VecF x) {
#if PAG_VEC_BYTES == 64
  return vexp(x);
#else
  const VecF low = vset(-87.33654f);
  VecF n;
  const VecF p = expm1_reduced(reduce_by_ln2(vclamp(x, low, vset(88.0f)), &n)) + vset(1.0f);
  return vselect(x < low, VecF{}, p * vpow2(__builtin_convertvector(n, VecI)));
#endif
}
PAG_INLINE VecD exp_normal(VecD x) { return vexp(x); }

template <class T, bool Log>
void softmax_rows(T* y, const T* x, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const Vec<T> top = vset(largest_number(x, n));
    const double total =
        blocked_sum<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
          const Vec<T> e = exp_normal(vload_lanes(x + i, lanes) - top);
          if (!Log) vstore_lanes(y + i, e, lanes);
          return vkeep_lanes<T>(e, lanes, Vec<T>{});
        });
    if (Log) {
      const Vec<T> shift = vset(static_cast<T>(log(total)));
      each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
        vstore_lanes(y + i, vload_lanes(x + i, lanes) - top - shift, lanes);
      });
    } else {
      const Vec<T> scale = vset(static_cast<T>(1 / total));
      each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
        vstore_lanes(y + i, vload_lanes(y + i, lanes) * scale, lanes);
      });
    }
  }
}

// y (g - sum(g y)), or g - exp(y) sum(g) for the logarithm.
template <class T, bool Log>
void softmax_grad_rows(T* out, const T* g, const T* y, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, g += n, y += n, out += n) {
    const double total =
        blocked_sum<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
          const Vec<T> v = vload_lanes(g + i, lanes);
          return Log ? v : Vec<T>(v * vload_lanes(y + i, lanes));
        });
    const Vec<T> sum = vset(static_cast<T>(total));
    each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
      const Vec<T> v = vload_lanes(g + i, lanes), p = vload_lanes(y + i, lanes);
      vstore_lanes(out + i, Log ? Vec<T>(v - exp_normal(p) * sum) : Vec<T>(p * (v - sum)), lanes);
    });
  }
}

// sum[j] = the sum over n rows of f(r, j, lanes), in blocks of rows so that errors stay small.
template <class T, class F>
PAG_INLINE void sum_strip(T* sum, int64_t n, int64_t width, F f) {
  constexpr int64_t kRows = 32;
  T block[pag::kStrip];
  for (int64_t j = 0; j < width; ++j) sum[j] = 0;
  for (int64_t start = 0; start < n; start += kRows) {
    const int64_t end = start + kRows < n ? start + kRows : n;
    for (int64_t j = 0; j < width; ++j) block[j] = 0;
    for (int64_t r = start; r < end; ++r)
      each_vector<T>(width, [&](int64_t j, int lanes) __attribute__((always_inline)) {
        vstore_lanes(block + j, vload_lanes(block + j, lanes) + f(r, j, lanes), lanes);
      });
    for (int64_t j = 0; j < width; ++j) sum[j] += block[j];
  }
}

template <class T>
PAG_INLINE void largest_columns(T* top, const T* x, int64_t n, int64_t stride, int64_t width) {
  for (int64_t j = 0; j < width; ++j) top[j] = static_cast<T>(-__builtin_inff());
  for (int64_t r = 0; r < n; ++r)
    each_vector<T>(width, [&](int64_t j, int lanes) __attribute__((always_inline)) {
      const Vec<T> v = vload_lanes(x + r * stride + j, lanes);
      vstore_lanes(top + j, vlarger<T>(v, vload_lanes(top + j, lanes)), lanes);
    });
}

template <class T, bool Log>
void softmax_columns(T* y, const T* x, int64_t n, int64_t stride, int64_t width) {
  T top[pag::kStrip], sum[pag::kStrip];
  largest_columns(top, x, n, stride, width);
  sum_strip(sum, n, width, [&](int64_t r, int64_t j, int lanes) __attribute__((always_inline)) {
    const int64_t at = r * stride + j;
    const Vec<T> e = exp_normal(vload_lanes(x + at, lanes) - vload_lanes(top + j, lanes));
    if (!Log) vstore_lanes(y + at, e, lanes);
    return e;
  });
  each_vector<T>(width, [&](int64_t j, int lanes) __attribute__((always_inline)) {
    const Vec<T> total = vload_lanes(sum + j, lanes);
    vstore_lanes(sum + j, Log ? vlog(total) : Vec<T>(vset(T{1}) / total), lanes);
  });
  for (int64_t r = 0; r < n; ++r)
    each_vector<T>(width, [&](int64_t j, int lanes) __attribute__((always_inline)) {
      const int64_t at = r * stride + j;
      const Vec<T> s = vload_lanes(sum + j, lanes);
      vstore_lanes(y + at,
                   Log ? Vec<T>(vload_lanes(x + at, lanes) - vload_lanes(top + j, lanes) - s)
                       : Vec<T>(vload_lanes(y + at, lanes) * s),
                   lanes);
    });
}

template <class T, bool Log>
void softmax_grad_columns(T* out, const T* g, const T* y, int64_t n, int64_t stride,
                          int64_t width) {
  T sum[pag::kStrip];
  sum_strip(sum, n, width, [&](int64_t r, int64_t j, int lanes) __attribute__((always_inline)) {
    const Vec<T> v = vload_lanes(g + r * stride + j, lanes);
    return Log ? v : Vec<T>(v * vload_lanes(y + r * stride + j, lanes));
  });
  for (int64_t r = 0; r < n; ++r)
    each_vector<T>(width, [&](int64_t j, int lanes) __attribute__((always_inline)) {
      const int64_t at = r * stride + j;
      const Vec<T> v = vload_lanes(g + at, lanes), p = vload_lanes(y + at, lanes),
                   s = vload_lanes(sum + j, lanes);
      vstore_lanes(out + at, Log ? Vec<T>(v - exp_normal(p) * s) : Vec<T>(p * (v - s)), lanes);
    });
}

}  // namespace
