// Normalisation of one channel's values: sums around the mean, and the passes that use them.
#include "isa/vloop.h"

namespace {

template <class T>
double norm_squares(const T* x, int64_t n, T mean) {
  const Vec<T> m = vset(mean);
  return blocked_sum<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
    const Vec<T> d = vload_lanes(x + i, lanes) - m;
    return vkeep_lanes<T>(d * d, lanes, Vec<T>{});
  });
}

template <class T>
void norm_apply(T* y, const T* x, int64_t n, T mean, T scale) {
  const Vec<T> m = vset(mean), s = vset(scale);
  each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
    vstore_lanes(y + i, (vload_lanes(x + i, lanes) - m) * s, lanes);
  });
}

template <class T>
void norm_grad_sums(const T* g, const T* x, int64_t n, T mean, double* g_sum, double* gx_sum) {
  const Vec<T> m = vset(mean);
  constexpr int64_t kBlock = 2048;  // stays in the L1 cache between the two sums
  *g_sum = *gx_sum = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t count = n - start < kBlock ? n - start : kBlock;
    const T *gs = g + start, *xs = x + start;
    *g_sum += blocked_sum<T>(count, [=](int64_t i, int lanes) __attribute__((always_inline)) {
      return vload_lanes(gs + i, lanes);
    });
    *gx_sum += blocked_sum<T>(count, [=](int64_t i, int lanes) __attribute__((always_inline)) {
      const Vec<T> product = vload_lanes(gs + i, lanes) * (vload_lanes(xs + i, lanes) - m);
      return vkeep_lanes<T>(product, lanes, Vec<T>{});
    });
  }
}

template <class T>
void norm_grad(T* out, const T* g, const T* x, int64_t n, T mean, T scale, T shift, T slope) {
  const Vec<T> m = vset(mean), a = vset(scale), b = vset(shift), c = vset(slope);
  each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
    const Vec<T> d = vload_lanes(x + i, lanes) - m;
    vstore_lanes(out + i, vload_lanes(g + i, lanes) * a - b - d * c, lanes);
  });
}

}  // namespace
