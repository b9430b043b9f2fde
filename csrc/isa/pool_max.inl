// Max pooling of one plane (height, width).
#include "isa/shuffle.h"

namespace {

// ---- the mask of winners ------------------------------------------------------------------------

template <class M, int N>
struct Narrow {
  typedef M type __attribute__((vector_size(N * sizeof(M))));
  typedef M unaligned __attribute__((vector_size(N * sizeof(M)), aligned(1), may_alias));
};

template <class T, class M>
PAG_INLINE void store_mask(M* p, Vec<Lane<T>> tap, int lanes) {
  constexpr int L = kLanes<T>;
#if PAG_VEC_BYTES == 32
  if constexpr (sizeof(M) == 1 && L == 8) {
    if (lanes == L) {  // the compiler would move byte by byte
      const __m256i low_bytes = _mm256_set1_epi32(0x0c080400);
      const __m256i halves = _mm256_shuffle_epi8((__m256i)tap, low_bytes);
      _mm_storel_epi64(
          reinterpret_cast<__m128i*>(p),
          _mm_unpacklo_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
      return;
    }
  }
#endif
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

PAG_INLINE int64_t ceil_div(int64_t a, int64_t b) { return a <= 0 ? 0 : (a + b - 1) / b; }

// For the windows j, j+1, ...: the first column of taps that is inside the row.
template <class T>
PAG_INLINE Vec<Lane<T>> first_inside(const pag::PoolShape& s, int64_t j) {
  constexpr int L = kLanes<T>;
  if (j * s.stride[1] >= s.padding[1]) return Vec<Lane<T>>{};
  Lane<T> first[L];
  for (int i = 0; i < L; ++i)
    first[i] = static_cast<Lane<T>>(ceil_div(s.padding[1] - (j + i) * s.stride[1], s.dilation[1]));
  return vload(first);
}

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
        Vec<Lane<T>> winner = first_inside<T>(s, j) + static_cast<Lane<T>>(r0 * s.kernel[1]);
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

// Windows of a single row, at a step of 1 or 2 columns: the row is copied with -inf around it.
template <class T>
void max_pool_lines(T* out, uint8_t* mask, const T* x, const pag::PoolShape& s, T* row) {
  constexpr int L = kLanes<T>;
  const int64_t stride = s.stride[1], padding = s.padding[1], dilation = s.dilation[1];
  const Vec<T> none = vset(static_cast<T>(-__builtin_inff()));
  for (int64_t i = 0; i < s.out_height; ++i, out += s.out_width, mask += s.out_width) {
    const T* from = x + i * s.stride[0] * s.width;
    each_vector<T>(s.width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
      vstore_lanes(row + padding + j, vload_lanes(from + j, lanes), lanes);
    });
    each_vector<T>(s.out_width, [=](int64_t j, int lanes) __attribute__((always_inline)) {
      Vec<T> best = none;
      Vec<Lane<T>> winner = first_inside<T>(s, j);
      for (int64_t c = 0; c < s.kernel[1]; ++c) {
        const T* at = row + j * stride + c * dilation;
        const Vec<T> v = stride == 1 ? vload(at) : veven(vload(at), vload(at + L));
        challenge<T>(v, Vec<Lane<T>>{} + static_cast<Lane<T>>(c), &best, &winner);
      }
      vstore_lanes(out + j, best, lanes);
      store_mask<T>(mask + j, winner, lanes);
    });
  }
}

// Pairs side by side of one row of 2 n values.
template <class T>
void max_pool_pairs(T* out, uint8_t* mask, const T* x, int64_t n) {
  each_vector<T>(n, [=](int64_t j, int lanes) __attribute__((always_inline)) {
    Vec<T> best, v;
    load_pairs(x + 2 * j, lanes, &best, &v);
    Vec<Lane<T>> winner{};
    challenge<T>(v, winner + 1, &best, &winner);
    vstore_lanes(out + j, best, lanes);
    store_mask<T>(mask + j, winner, lanes);
  });
}

// Its adjoint.
template <class T>
void max_pool_pairs_scatter(T* out, const T* g, const uint8_t* mask, int64_t n) {
  each_vector<T>(n, [=](int64_t j, int lanes) __attribute__((always_inline)) {
    const Vec<Lane<T>> winner = load_mask<T>(mask + j, lanes), zero{};
    const Vec<T> v = vload_lanes(g + j, lanes), none{};
    store_pairs<T>(out + 2 * j, lanes, vselect(winner == zero, v, none),
                   vselect(winner == zero + 1, v, none));
  });
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

}  // namespace
