// Average pooling of one plane (height, width).
#include "isa/shuffle.h"

namespace {

// factors[j] = scale times the factor of window j, rounded once.
template <class T>
PAG_INLINE void scaled_factors(T* factors, double scale, const pag::PoolWindows& w) {
  for (int64_t j = 0; j < w.count; ++j) factors[j] = static_cast<T>(scale * w.factor[j]);
}

// Windows at a step of 1 or 2: their sums a vector at a time. Zeros stand around the `sums` of the
// columns.
template <class T>
void average_regular(T* out, const T* sums, const T* factors, const pag::PoolWindows& w) {
  constexpr int L = kLanes<T>;
  const T* from = sums + w.first;
  each_vector<T>(w.count, [=](int64_t j, int lanes) __attribute__((always_inline)) {
    Vec<T> total{};
    if (w.stride == 1)
      for (int64_t t = 0; t < w.length; ++t) total += vload(from + j + t);
    else
      for (int64_t t = 0; t < w.length; ++t)
        total += veven(vload(from + 2 * j + t), vload(from + 2 * j + t + L));
    vstore_lanes(out + j, total * vload_lanes(factors + j, lanes), lanes);
  });
}

// The adjoint: spread[u] = the sum of g * factors over the windows that hold column w.first + u,
// a vector at a time. `scaled` holds the products, with zeros around them.
template <class T>
void spread_regular(T* spread, int64_t n, const T* g, const T* factors, T* scaled,
                    const pag::PoolWindows& w) {
  constexpr int L = kLanes<T>;
  each_vector<T>(w.count, [=](int64_t j, int lanes) __attribute__((always_inline)) {
    vstore_lanes(scaled + j, vload_lanes(g + j, lanes) * vload_lanes(factors + j, lanes), lanes);
  });
  if (w.stride == 1) {
    for (int64_t u = 0; u < n; u += L) {
      Vec<T> total{};
      for (int64_t t = 0; t < w.length; ++t) total += vload(scaled + u - t);
      vstore(spread + u, total);
    }
    return;
  }
  for (int64_t u = 0; 2 * u < n; u += L) {
    Vec<T> even{}, odd{};
    for (int64_t t = 0; t < w.length; t += 2) even += vload(scaled + u - t / 2);
    for (int64_t t = 1; t < w.length; t += 2) odd += vload(scaled + u - t / 2);
    vstore(spread + 2 * u, vzip_low(even, odd));
    vstore(spread + 2 * u + L, vzip_high(even, odd));
  }
}

// out[p] = scale times the sum of the n values of plane p.
template <class T>
void average_whole(T* out, const T* x, int64_t planes, int64_t n, double scale) {
  for (int64_t p = 0; p < planes; ++p, x += n)
    out[p] =
        static_cast<T>(scale * blocked_sum<T, 64 * kLanes<T>>(
                                   n, [=](int64_t j, int lanes) __attribute__((always_inline)) {
                                     return vload_lanes(x + j, lanes);
                                   }));
}

// Its adjoint.
template <class T>
void average_whole_grad(T* out, const T* g, int64_t planes, int64_t n, double scale) {
  for (int64_t p = 0; p < planes; ++p, out += n) {
    const Vec<T> v = vset(static_cast<T>(scale * g[p]));
    each_vector<T>(n, [=](int64_t j, int lanes)
                          __attribute__((always_inline)) { vstore_lanes(out + j, v, lanes); });
  }
}

constexpr int64_t kShortWindow = 4;  // which vectors do not help

template <class T>
PAG_INLINE void average_irregular(T* out, const T* sums, const T* factors,
                                  const pag::PoolWindows& w) {
  for (int64_t j = 0; j < w.count; ++j) {
    const int64_t begin = w.begin[j], n = w.end[j] - begin;
    T total = 0;
    if (n > kShortWindow) {
      Vec<T> several{};
      each_vector<T>(n, [&](int64_t c, int lanes) __attribute__((always_inline)) {
        several += vload_lanes(sums + begin + c, lanes);
      });
      total = vsum<T>(several);
    } else {
      for (int64_t c = 0; c < n; ++c) total += sums[begin + c];
    }
    out[j] = total * factors[j];
  }
}

// The adjoint; writes every element of the row.
template <class T>
PAG_INLINE void spread_irregular(T* row, int64_t width, const T* g, const T* factors,
                                 const pag::PoolWindows& w) {
  int64_t fresh = 0;  // columns from here on hold nothing yet
  for (int64_t j = 0; j < w.count; ++j) {
    const T v = g[j] * factors[j];
    const int64_t end = w.end[j];
    int64_t c = w.begin[j];
    for (; fresh < c; ++fresh) row[fresh] = 0;
    for (; c < end && c < fresh; ++c) row[c] += v;
    // The last vector ends where the window does: from a masked store, the next window could not
    // read at once.
    if (end - c >= kLanes<T>) {
      for (; c + kLanes<T> < end; c += kLanes<T>) vstore(row + c, vset(v));
      vstore(row + end - kLanes<T>, vset(v));
    } else {
      for (; c < end; ++c) row[c] = v;
    }
    if (fresh < end) fresh = end;
  }
  for (; fresh < width; ++fresh) row[fresh] = 0;
}

// out[i, j] = the sum over rows window i and columns window j, times both factors: first the rows
// are added, then what is left.
template <class T>
void average_plane(T* out, const T* x, int64_t width, const pag::PoolWindows& rows,
                   const pag::PoolWindows& columns, const pag::AverageRoom<T>& room) {
  T* const sums = room.row;
  for (int64_t i = 0; i < rows.count; ++i, out += columns.count) {
    const int64_t begin = rows.begin[i], end = rows.end[i];
    if (i == 0 || rows.factor[i] != rows.factor[i - 1])
      scaled_factors(room.factors, rows.factor[i], columns);
    const T* const factors = room.factors;
    const bool irregular = !columns.stride && !columns.pairs;
    if (irregular && end - begin == 1) {
      average_irregular(out, x + begin * width, factors, columns);
      continue;
    }
    each_vector<T>(width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
      Vec<T> acc{};
      for (int64_t r = begin; r < end; ++r) acc += vload_lanes(x + r * width + j, lanes);
      vstore_lanes(sums + j, acc, lanes);
    });
    if (columns.stride) {
      average_regular(out, sums, factors, columns);
      continue;
    }
    if (columns.pairs) {
      each_vector<T>(columns.count, [=](int64_t j, int lanes) __attribute__((always_inline)) {
        Vec<T> even, odd;
        load_pairs(sums + 2 * j, lanes, &even, &odd);
        vstore_lanes(out + j, (even + odd) * vload_lanes(factors + j, lanes), lanes);
      });
      continue;
    }
    average_irregular(out, sums, factors, columns);
  }
}

// The adjoint; writes every element of the plane.
template <class T>
void average_plane_grad(T* out, const T* g, int64_t height, int64_t width,
                        const pag::PoolWindows& rows, const pag::PoolWindows& columns,
                        const pag::AverageRoom<T>& room) {
  const T* const spread = columns.stride ? room.row - columns.first : room.row;
  const bool irregular = !columns.stride && !columns.pairs;
  int64_t fresh = 0;  // rows from here on hold nothing yet
  for (int64_t i = 0; i < rows.count; ++i, g += columns.count) {
    if (i == 0 || rows.factor[i] != rows.factor[i - 1])
      scaled_factors(room.factors, rows.factor[i], columns);
    const T* const factors = room.factors;
    for (; fresh < rows.begin[i]; ++fresh) fill(out + fresh * width, 0, width, T{0});
    if (irregular && rows.begin[i] == fresh && rows.end[i] == fresh + 1) {
      spread_irregular(out + fresh++ * width, width, g, factors, columns);
      continue;
    }
    if (columns.stride) {
      spread_regular(room.row, width - columns.first, g, factors, room.scaled, columns);
    } else if (columns.pairs) {
      each_vector<T>(columns.count, [=](int64_t j, int lanes) __attribute__((always_inline)) {
        const Vec<T> v = vload_lanes(g + j, lanes) * vload_lanes(factors + j, lanes);
        store_pairs<T>(room.row + 2 * j, lanes, v, v);
      });
      fill(room.row, 2 * columns.count, width, T{0});
    } else {
      spread_irregular(room.row, width, g, factors, columns);
    }
    for (int64_t r = rows.begin[i]; r < rows.end[i]; ++r) {
      T* row = out + r * width;
      if (r < fresh)
        each_vector<T>(width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
          vstore_lanes(row + j, vload_lanes(row + j, lanes) + vload_lanes(spread + j, lanes),
                       lanes);
        });
      else
        each_vector<T>(width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
          vstore_lanes(row + j, vload_lanes(spread + j, lanes), lanes);
        });
    }
    if (fresh < rows.end[i]) fresh = rows.end[i];
  }
  for (; fresh < height; ++fresh) fill(out + fresh * width, 0, width, T{0});
}

}  // namespace
