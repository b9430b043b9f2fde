// Pooling of one plane (height, width).
#include "isa/vloop.h"

namespace {

// ---- even and odd lanes -------------------------------------------------------------------------

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

// ---- the mask of winners ------------------------------------------------------------------------

template <class M, int N>
struct Narrow {
  typedef M type __attribute__((vector_size(N * sizeof(M))));
  typedef M unaligned __attribute__((vector_size(N * sizeof(M)), aligned(1), may_alias));
};

template <class T, class M>
PAG_INLINE void store_mask(M* p, Vec<Lane<T>> tap, int lanes) {
  constexpr int L = kLanes<T>;
  const auto narrow = __builtin_convertvector(tap, typename Narrow<M, L>::type);
  if (lanes == L) {
    *reinterpret_cast<typename Narrow<M, L>::unaligned*>(p) = narrow;
    return;
  }
#if PAG_VEC_BYTES == 64
  if constexpr (sizeof(M) == 1 && L == 16) {
    _mm_mask_storeu_epi8(p, low_mask16(lanes), (__m128i)narrow);
    return;
  }
#endif
  for (int i = 0; i < lanes; ++i) p[i] = narrow[i];
}
template <class T>
PAG_INLINE Vec<Lane<T>> load_mask(const uint8_t* p, int lanes) {
  constexpr int L = kLanes<T>;
  typename Narrow<uint8_t, L>::type narrow{};
  if (lanes == L)
    narrow = *reinterpret_cast<const typename Narrow<uint8_t, L>::unaligned*>(p);
  else
    for (int i = 0; i < lanes; ++i) narrow[i] = p[i];
  return __builtin_convertvector(narrow, Vec<Lane<T>>);
}

// ---- maximum ------------------------------------------------------------------------------------

// One more tap. Of equal values the first stays; of NaNs the last wins, as in PyTorch. Where there
// are none, their test is left out.
template <class T, bool MayBeNan = true>
PAG_INLINE void challenge(Vec<T> v, Vec<Lane<T>> tap, Vec<T>* best, Vec<Lane<T>>* winner) {
  auto wins = v > *best;
  if constexpr (MayBeNan) wins |= v != v;
  *best = vselect(wins, v, *best);
  *winner = vselect(wins, tap, *winner);
}

template <bool Value>
struct Constant {
  static constexpr bool value = Value;
};

template <class T>
PAG_INLINE void fill(T* p, int64_t begin, int64_t end, T value) {
  for (int64_t i = begin; i < end; ++i) p[i] = value;
}

PAG_INLINE int64_t ceil_div(int64_t a, int64_t b) { return a <= 0 ? 0 : (a + b - 1) / b; }

// to[i] = row[i * stride + first] for i < n; -inf where that is not in the row. `readable` elements
// lie from the row's first on. Returns whether there may be a NaN.
template <class T>
PAG_INLINE bool pack_stream(T* to, int64_t n, const T* row, int64_t width, int64_t readable,
                            int64_t stride, int64_t first) {
  constexpr int L = kLanes<T>;
  int64_t begin = ceil_div(-first, stride), end = ceil_div(width - first, stride);
  end = end < n ? end : n;
  begin = begin < end ? begin : end;
  Vec<Lane<T>> nan{};
  bool nan_in_rest = false;
  const auto put = [&](int64_t i, Vec<T> v) __attribute__((always_inline)) {
    nan |= v != v;
    vstore(to + i, v);
  };
  // Vectors go on beyond the row's end; what they leave there is overwritten.
  int64_t i = begin;
  if (stride == 1)
    for (; i < end && i + L <= n && i + first + L <= readable; i += L)
      put(i, vload(row + i + first));
  else if (stride == 2)
    for (; i < end && i + L <= n && 2 * (i + L) + first <= readable; i += L)
      put(i, veven(vload(row + 2 * i + first), vload(row + 2 * i + first + L)));
  for (; i < end; ++i) {
    to[i] = row[i * stride + first];
    nan_in_rest |= to[i] != to[i];
  }
  const T none = static_cast<T>(-__builtin_inff());
  fill(to, 0, begin, none);
  fill(to, end, n, none);
  return nan_in_rest || vany(nan);
}

// How many lanes of a vector at output (i, j) may be written: those beyond the row's end belong to
// the next row, which comes later and overwrites them.
template <class T>
PAG_INLINE int lanes_in_plane(const pag::PoolShape& s, int64_t i, int64_t j) {
  const int64_t left = (s.out_height - i) * s.out_width - j;
  return left >= kLanes<T> ? kLanes<T>
                           : static_cast<int>(s.out_width - j < left ? s.out_width - j : left);
}

// Rows are packed once into `streams` runs each, one for every residue of the column by the stride,
// so that tap s of the windows j, j+1, ... is contiguous, at taps[s] of the packed row.
template <class T, class M>
void max_pool_plane(T* out, M* mask, const T* x, const pag::PoolShape& s, const pag::PoolStreams& p,
                    const int64_t* taps, T* packed) {
  constexpr int L = kLanes<T>;
  const Vec<T> none = vset(static_cast<T>(-__builtin_inff()));
  int64_t ready = 0;      // rows below are packed
  int64_t last_nan = -1;  // row
  for (int64_t i = 0; i < s.out_height; ++i) {
    const int64_t top = i * s.stride[0] - s.padding[0];
    const int64_t r0 = ceil_div(-top, s.dilation[0]);
    int64_t r1 = ceil_div(s.height - top, s.dilation[0]);
    r1 = r1 < s.kernel[0] ? r1 : s.kernel[0];
    if (ready < top) ready = top;
    for (const int64_t last = top + (r1 - 1) * s.dilation[0]; ready <= last; ++ready)
      for (int64_t t = 0; t < p.streams; ++t)
        if (pack_stream(packed + (ready % p.rows * p.streams + t) * p.length, p.length,
                        x + ready * s.width, s.width, (s.height - ready) * s.width, s.stride[1],
                        t * p.step - s.padding[1]))
          last_nan = ready;
    const int64_t first = r0 < r1 ? (top + r0 * s.dilation[0]) % p.rows : 0;
    const auto vectors = [&](auto may_be_nan) __attribute__((always_inline)) {
      for (int64_t j = 0; j < s.out_width; j += L) {
        Vec<T> best = none;
        Vec<Lane<T>> winner = Vec<Lane<T>>{} + static_cast<Lane<T>>(r0 * s.kernel[1]);
        for (int64_t k = j; k < j + L && k * s.stride[1] < s.padding[1]; ++k)  // first tap inside
          winner[k - j] +=
              static_cast<Lane<T>>(ceil_div(s.padding[1] - k * s.stride[1], s.dilation[1]));
        for (int64_t r = r0, slot = first; r < r1; ++r) {
          const T* row = packed + slot * p.streams * p.length + j;
          const Lane<T> tap = static_cast<Lane<T>>(r * s.kernel[1]);
          slot += s.dilation[0];
          if (slot >= p.rows) slot -= p.rows;
          for (int64_t c = 0; c < s.kernel[1]; ++c)
            challenge<T, decltype(may_be_nan)::value>(
                vload(row + taps[c]), Vec<Lane<T>>{} + static_cast<Lane<T>>(tap + c), &best,
                &winner);
        }
        const int lanes = lanes_in_plane<T>(s, i, j);
        vstore_lanes(out + i * s.out_width + j, best, lanes);
        store_mask<T>(mask + i * s.out_width + j, winner, lanes);
      }
    };
    if (last_nan >= top)
      vectors(Constant<true>());
    else
      vectors(Constant<false>());
  }
}

// Windows of 2 x 2 side by side, all inside the plane.
template <class T>
void max_pool_2x2(T* out, uint8_t* mask, const T* x, const pag::PoolShape& s) {
  for (int64_t i = 0; i < s.out_height; ++i) {
    const T *upper = x + 2 * i * s.width, *lower = upper + s.width;
    each_vector<T>(s.out_width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
      const Vec<Lane<T>> zero{};
      Vec<T> best, v1, v2, v3;
      load_pairs(upper + 2 * j, lanes, &best, &v1);
      load_pairs(lower + 2 * j, lanes, &v2, &v3);
      Vec<Lane<T>> winner{};
      challenge<T>(v1, zero + 1, &best, &winner);
      challenge<T>(v2, zero + 2, &best, &winner);
      challenge<T>(v3, zero + 3, &best, &winner);
      const int written = lanes_in_plane<T>(s, i, j);
      vstore_lanes(out + j, best, written);
      store_mask<T>(mask + j, winner, written);
    });
    out += s.out_width;
    mask += s.out_width;
  }
}

// Its adjoint; writes every element of the plane.
template <class T>
void max_pool_2x2_scatter(T* out, const T* g, const uint8_t* mask, const pag::PoolShape& s) {
  for (int64_t i = 0; i < s.out_height; ++i) {
    T *upper = out + 2 * i * s.width, *lower = upper + s.width;
    each_vector<T>(s.out_width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
      const Vec<Lane<T>> winner = load_mask<T>(mask + j, lanes_in_plane<T>(s, i, j)), zero{};
      const Vec<T> v = vload_lanes(g + j, lanes), none{};
      store_pairs<T>(upper + 2 * j, lanes, vselect(winner == zero, v, none),
                     vselect(winner == zero + 1, v, none));
      store_pairs<T>(lower + 2 * j, lanes, vselect(winner == zero + 2, v, none),
                     vselect(winner == zero + 3, v, none));
    });
    for (int64_t j = 2 * s.out_width; j < s.width; ++j) upper[j] = lower[j] = 0;
    g += s.out_width;
    mask += s.out_width;
  }
  fill(out, 2 * s.out_height * s.width, s.height * s.width, T{0});
}

// ---- average ------------------------------------------------------------------------------------

// Windows at a step of 1 or 2: their sums a vector at a time. Zeros stand around the `sums` of the
// columns, behind them is room for the factors.
template <class T>
void average_regular(T* out, const T* sums, double scale, const pag::PoolWindows& w) {
  constexpr int L = kLanes<T>;
  const T* from = sums + w.first;
  each_vector<T>(w.count, [=](int64_t j, int lanes) __attribute__((always_inline)) {
    Vec<T> total{}, factor;
    if (w.stride == 1)
      for (int64_t t = 0; t < w.length; ++t) total += vload(from + j + t);
    else
      for (int64_t t = 0; t < w.length; ++t)
        total += veven(vload(from + 2 * j + t), vload(from + 2 * j + t + L));
    for (int i = 0; i < L; ++i) factor[i] = static_cast<T>(scale * w.factor[i < lanes ? j + i : j]);
    vstore_lanes(out + j, total * factor, lanes);
  });
}

// out[p] = scale times the sum of the n values of plane p.
template <class T>
void average_whole(T* out, const T* x, int64_t planes, int64_t n, double scale) {
  for (int64_t p = 0; p < planes; ++p, x += n)
    out[p] = static_cast<T>(
        scale * blocked_sum<T>(n, [=](int64_t j, int lanes) __attribute__((always_inline)) {
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

// out[i, j] = the sum over rows window i and columns window j, times both factors. `sums` holds
// width values: first the rows are added, then what is left.
template <class T>
void average_plane(T* out, const T* x, int64_t width, const pag::PoolWindows& rows,
                   const pag::PoolWindows& columns, T* sums) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < rows.count; ++i, out += columns.count) {
    const int64_t begin = rows.begin[i], end = rows.end[i];
    const double scale = rows.factor[i];
    each_vector<T>(width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
      Vec<T> acc{};
      for (int64_t r = begin; r < end; ++r) acc += vload_lanes(x + r * width + j, lanes);
      vstore_lanes(sums + j, acc, lanes);
    });
    if (columns.stride) {
      average_regular(out, sums, scale, columns);
      continue;
    }
    if (columns.pairs) {
      const Vec<T> factor = vset(static_cast<T>(scale * columns.factor[0]));
      each_vector<T>(columns.count, [=](int64_t j, int lanes) __attribute__((always_inline)) {
        Vec<T> even, odd;
        load_pairs(sums + 2 * j, lanes, &even, &odd);
        vstore_lanes(out + j, (even + odd) * factor, lanes);
      });
      continue;
    }
    for (int64_t j = 0; j < columns.count; ++j) {
      int64_t c = columns.begin[j];
      const int64_t last = columns.end[j];
      T total = 0;
      if (last - c >= 4 * L) {
        Vec<T> acc{};
        for (; c + L <= last; c += L) acc += vload(sums + c);
        total = vsum<T>(acc);
      }
      for (; c < last; ++c) total += sums[c];
      out[j] = total * static_cast<T>(scale * columns.factor[j]);
    }
  }
}

// The adjoint; writes every element of the plane.
template <class T>
void average_plane_grad(T* out, const T* g, int64_t height, int64_t width,
                        const pag::PoolWindows& rows, const pag::PoolWindows& columns, T* spread) {
  int64_t fresh = 0;  // rows from here on hold nothing yet
  for (int64_t i = 0; i < rows.count; ++i, g += columns.count) {
    const double scale = rows.factor[i];
    fill(spread, 0, width, T{0});
    if (columns.pairs) {
      const Vec<T> factor = vset(static_cast<T>(scale * columns.factor[0]));
      each_vector<T>(columns.count, [=](int64_t j, int lanes) __attribute__((always_inline)) {
        const Vec<T> v = vload_lanes(g + j, lanes) * factor;
        store_pairs<T>(spread + 2 * j, lanes, v, v);
      });
    } else {
      for (int64_t j = 0; j < columns.count; ++j) {
        const T v = g[j] * static_cast<T>(scale * columns.factor[j]);
        for (int64_t c = columns.begin[j]; c < columns.end[j]; ++c) spread[c] += v;
      }
    }
    for (; fresh < rows.begin[i]; ++fresh) fill(out + fresh * width, 0, width, T{0});
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
