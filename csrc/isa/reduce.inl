// Sums: float32 accumulates in float32 vectors over short blocks and in double across blocks.
#include "isa/vloop.h"

namespace {

template <class T>
PAG_INLINE double sum_contiguous(const T* x, int64_t n) {
  return blocked_sum<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
    return vload_lanes(x + i, lanes);
  });
}

template <class T>
void sum_each(double* out, const T* x, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) out[r] = sum_contiguous(x + r * n, n);
}

// Rows are added in blocks in T before they reach the double accumulator.
template <class T>
void sum_rows(double* out, const T* x, int64_t rows, int64_t stride, int64_t n) {
  constexpr int L = kLanes<T>;
  for (int64_t r = 0; r < rows; r += pag::kSumRows) {
    const int64_t block = rows - r < pag::kSumRows ? rows - r : pag::kSumRows;
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

// ---- largest and smallest ---------------------------------------------------------------------

template <bool Largest, class V>
PAG_INLINE auto beats(V a, V b) {
  if constexpr (Largest)
    return a > b;
  else
    return a < b;
}

// n > 0. NaN if any value is.
template <class T, bool Largest>
PAG_INLINE T extreme_contiguous(const T* x, int64_t n) {
  constexpr int L = kLanes<T>;
  const T worst = static_cast<T>(Largest ? -__builtin_inff() : __builtin_inff());
  Vec<T> best[4] = {vset(worst), vset(worst), vset(worst), vset(worst)};
  Vec<Lane<T>> nan{};
  const auto take = [&](int u, Vec<T> v) __attribute__((always_inline)) {
    nan |= v != v;
    best[u] = vselect(beats<Largest>(v, best[u]), v, best[u]);
  };
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
    for (int u = 0; u < 4; ++u) take(u, vload(x + i + u * L));
  for (; i + L <= n; i += L) take(0, vload(x + i));
  if (const int rest = static_cast<int>(n - i))
    take(1, vkeep_lanes<T>(vload(x + i, rest), rest, vset(worst)));
  if (vany(nan)) return static_cast<T>(__builtin_nanf(""));
  for (int u = 1; u < 4; ++u) best[0] = vselect(beats<Largest>(best[u], best[0]), best[u], best[0]);
  T lane[L];
  vstore(lane, best[0]);
  for (int half = L / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j)
      lane[j] = beats<Largest>(lane[j + half], lane[j]) ? lane[j + half] : lane[j];
  return lane[0];
}

template <class T, bool Largest>
void extreme_each(T* out, const T* x, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) out[r] = extreme_contiguous<T, Largest>(x + r * n, n);
}

// The first position of `value`, which is there; the first NaN where value is NaN.
template <class T>
int64_t find_contiguous(const T* x, int64_t n, T value) {
  constexpr int L = kLanes<T>;
  const bool nan = value != value;
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    Vec<Lane<T>> found{};
    for (int u = 0; u < 4; ++u) {
      const Vec<T> v = vload(x + i + u * L);
      found |= nan ? v != v : v == vset(value);
    }
    if (vany(found)) break;
  }
  while (i < n - 1 && !(nan ? x[i] != x[i] : x[i] == value)) ++i;
  return i;
}

// Down n rows: value[j], and where index is given the first row that holds it, for j < width. Eight
// rows pass through registers at once, so that value is read an eighth as often.
template <class T, bool Largest, bool Indexed>
PAG_INLINE void extreme_rows(T* value, Lane<T>* index, const T* x, int64_t n, int64_t stride,
                             int64_t width) {
  const auto take = [](Vec<T> v, int64_t row, Vec<T>* best,
                       Vec<Lane<T>>* first) __attribute__((always_inline)) {
    auto better = beats<Largest>(v, *best) | (v != v);
    if constexpr (Indexed) {
      better &= *best == *best;  // the first NaN stays
      *first = vselect(better, Vec<Lane<T>>{} + static_cast<Lane<T>>(row), *first);
    }
    *best = vselect(better, v, *best);
  };
  each_vector<T>(width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
    vstore_lanes(value + j, vload_lanes(x + j, lanes), lanes);
    if constexpr (Indexed) vstore_lanes(index + j, Vec<Lane<T>>{}, lanes);
  });
  constexpr int kRows = 8;
  for (int64_t r = 1; r < n; r += kRows) {
    const T* row = x + r * stride;
    const bool full = r + kRows <= n;
    each_vector<T>(width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
      Vec<T> best = vload_lanes(value + j, lanes);
      Vec<Lane<T>> first{};
      if constexpr (Indexed) first = vload_lanes(index + j, lanes);
      const T* at = row + j;
      if (full)
        for (int u = 0; u < kRows; ++u, at += stride)
          take(vload_lanes(at, lanes), r + u, &best, &first);
      else
        for (int64_t u = r; u < n; ++u, at += stride)
          take(vload_lanes(at, lanes), u, &best, &first);
      vstore_lanes(value + j, best, lanes);
      if constexpr (Indexed) vstore_lanes(index + j, first, lanes);
    });
  }
}

template <class T, bool Largest>
void extreme_columns(T* value, int64_t* index, const T* x, int64_t n, int64_t stride,
                     int64_t width) {
  if (!index) {
    extreme_rows<T, Largest, false>(value, nullptr, x, n, stride, width);
    return;
  }
  alignas(64) Lane<T> first[pag::kIndexedStrip];
  extreme_rows<T, Largest, true>(value, first, x, n, stride, width);
  for (int64_t j = 0; j < width; ++j) index[j] = first[j];
}

}  // namespace
