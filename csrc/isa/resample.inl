// Resampling of rows: along them, and sums of several.
#include "isa/shuffle.h"

namespace {

// out[j] = the sum over taps t of weight[t, j] * row[begin[j] + t]. The inputs of neighbouring
// outputs lie close together: where they fit into one vector or two, they are picked from there.
template <class T>
void resample_columns(T* out, const T* row, const pag::ResampleAxis<T>& axis) {
  constexpr int L = kLanes<T>;
  each_vector<T>(axis.count, [=](int64_t j, int lanes) __attribute__((always_inline)) {
    const Lane<T> first = axis.begin[j], span = axis.begin[j + L - 1] - first;
    const Vec<Lane<T>> place = vload(axis.begin + j) - first;
    Vec<T> total{};
    const auto sum = [&](auto values) __attribute__((always_inline)) {
      for (int64_t t = 0; t < axis.taps; ++t) {
        const Vec<T> weight = vload(axis.weight + t * axis.padded + j), none{};
        total += weight * vselect(weight != none, values(row + first + t), none);
      }
    };
    if (span < L)
      sum([=](const T* from) __attribute__((always_inline)) { return vpick(vload(from), place); });
    else if (span < 2 * L)
      sum([=](const T* from) __attribute__((always_inline)) {
        return vpick(vload(from), vload(from + L), place);
      });
    else
      sum([=](const T* from) __attribute__((always_inline)) {
        Vec<T> v;
        for (int i = 0; i < L; ++i) v[i] = from[place[i]];
        return v;
      });
    vstore_lanes(out + j, total, lanes);
  });
}

template <class T, int N>
PAG_INLINE void weighted_rows(T* out, const T* const* rows, const T* weights, int64_t width) {
  Vec<T> w[N];
  for (int k = 0; k < N; ++k) w[k] = vset(weights[k]);
  each_vector<T>(width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
    Vec<T> total = w[0] * vload_lanes(rows[0] + j, lanes);
    for (int k = 1; k < N; ++k) total += w[k] * vload_lanes(rows[k] + j, lanes);
    vstore_lanes(out + j, total, lanes);
  });
}

// out = the sum over k < n of weights[k] * rows[k].
template <class T>
void resample_rows(T* out, const T* const* rows, const T* weights, int64_t n, int64_t width) {
  if (n == 1) return weighted_rows<T, 1>(out, rows, weights, width);
  if (n == 2) return weighted_rows<T, 2>(out, rows, weights, width);
  if (n == 4) return weighted_rows<T, 4>(out, rows, weights, width);
  each_vector<T>(width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
    Vec<T> total{};
    for (int64_t k = 0; k < n; ++k) total += vset(weights[k]) * vload_lanes(rows[k] + j, lanes);
    vstore_lanes(out + j, total, lanes);
  });
}

}  // namespace
