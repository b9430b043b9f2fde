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

// ---- windows of any size ------------------------------------------------------------------------

// Values and their places in the plane. Of equal values the first in the plane wins, of NaNs the
// last. Whether there are any is told by the sum, which keeps them: then everything is done again,
// with their test.
template <class T>
struct Winners {
  Vec<T> value;
  Vec<Lane<T>> place;
};

template <class T>
constexpr Lane<T> kNowhere =
    sizeof(T) == 4 ? static_cast<Lane<T>>(INT32_MAX) : static_cast<Lane<T>>(INT64_MAX);

template <class T>
PAG_INLINE bool has_nan(Vec<T> sum) {
  return vany(sum != sum);
}

template <class T, bool MayBeNan>
PAG_INLINE void challenge(const Winners<T>& v, Winners<T>* best) {
  const Vec<Lane<T>> earlier = vselect(v.place < best->place, v.place, best->place);
  Vec<Lane<T>> place = vselect(v.value == best->value, earlier, best->place);
  place = vselect(v.value > best->value, v.place, place);
  Vec<T> value = vselect(v.value > best->value, v.value, best->value);
  if constexpr (MayBeNan) {
    const auto first = best->value == best->value, later = v.place > best->place;
    const auto wins = (v.value != v.value) & (first | later);
    place = vselect(wins, v.place, vselect(first, place, best->place));
    value = vselect(wins, v.value, value);
  }
  *best = {value, place};
}

// Places of the columns of one row of windows: of one row of the plane, or each its own.
template <class T>
struct RowPlaces {
  Lane<T> first;
  PAG_INLINE Lane<T> one(int64_t c) const { return first + static_cast<Lane<T>>(c); }
  PAG_INLINE Vec<Lane<T>> several(int64_t c) const { return vcount(Lane<T>{}) + one(c); }
};
template <class T>
struct OwnPlaces {
  const Lane<T>* places;
  PAG_INLINE Lane<T> one(int64_t c) const { return places[c]; }
  PAG_INLINE Vec<Lane<T>> several(int64_t c) const { return vload(places + c); }
};

// Every lane the same: the result of all, by pairs at a distance of half a vector, a quarter, ...
template <class T, class Combine>
PAG_INLINE Vec<T> folded(Vec<T> v, Combine combine) {
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    v = combine(v, vpick(v, (vcount(Lane<T>{}) + static_cast<Lane<T>>(half)) & (kLanes<T> - 1)));
  return v;
}

// The largest of the values [begin, end), and then the first place where it is.
template <class T, class Places>
PAG_INLINE void largest(T* out, int64_t* index, const T* values, Places places, int64_t begin,
                        int64_t end) {
  constexpr int L = kLanes<T>;
  const int lanes = end - begin < L ? static_cast<int>(end - begin) : L;
  // From the second vector on; the last one ends where the window does.
  const auto each = [=](auto visit) __attribute__((always_inline)) {
    for (int64_t c = begin + L; c < end; c += L) visit(c + L <= end ? c : end - L);
  };
  const auto larger = [](Vec<T> a, Vec<T> b)
                          __attribute__((always_inline)) { return vselect(b > a, b, a); };
  const Vec<T> first =
      vkeep_lanes<T>(vload_lanes(values + begin, lanes), lanes, vset(values[begin]));
  Vec<T> top = first, sum = first;
  each([&](int64_t c) __attribute__((always_inline)) {
    const Vec<T> v = vload(values + c);
    top = larger(top, v);
    sum += v;
  });
  if (has_nan<T>(sum)) {
    Lane<T> last = -1;
    for (int64_t c = begin; c < end; ++c)
      if (values[c] != values[c] && places.one(c) > last) last = places.one(c);
    if (last >= 0) {
      *out = static_cast<T>(__builtin_nanf(""));
      *index = last;
      return;
    }
  }
  top = folded<T>(top, larger);
  const Vec<Lane<T>> nowhere = Vec<Lane<T>>{} + kNowhere<T>;
  Vec<Lane<T>> place = vselect(first == top, places.several(begin), nowhere);
  if (lanes < L) place = vselect(vfirst<T>(lanes), place, nowhere);
  each([&](int64_t c) __attribute__((always_inline)) {
    const Vec<Lane<T>> p = vselect(vload(values + c) == top, places.several(c), nowhere);
    place = vselect(p < place, p, place);
  });
  place =
      (Vec<Lane<T>>)folded<T>((Vec<T>)place, [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) {
        const Vec<Lane<T>> p = (Vec<Lane<T>>)a, q = (Vec<Lane<T>>)b;
        return (Vec<T>)vselect(q < p, q, p);
      });
  *out = top[0];
  *index = place[0];
}

// A vector of windows, tap by tap: they begin within two vectors.
template <class T, bool MayBeNan>
PAG_INLINE Winners<T> largest_side_by_side(const T* values, const Lane<T>* places,
                                           const pag::PoolColumns<T>& columns, int64_t j) {
  constexpr int L = kLanes<T>;
  const Lane<T> first = columns.begin[j];
  const Vec<Lane<T>> from = vload(columns.begin + j) - first, length = vload(columns.length + j);
  const auto tap = [=](int64_t t) __attribute__((always_inline)) {
    const T *v = values + first + t, *p = reinterpret_cast<const T*>(places + first + t);
    return Winners<T>{vpick(vload(v), vload(v + L), from),
                      (Vec<Lane<T>>)vpick(vload(p), vload(p + L), from)};
  };
  Winners<T> best = tap(0);
  for (int64_t t = 1; t < columns.longest; ++t) {
    Winners<T> v = tap(t);
    const auto inside = Vec<Lane<T>>{} + static_cast<Lane<T>>(t) < length;
    v.value = vselect(inside, v.value, vset(static_cast<T>(-__builtin_inff())));
    v.place = vselect(inside, v.place, Vec<Lane<T>>{} + kNowhere<T>);
    challenge<T, MayBeNan>(v, &best);
  }
  return best;
}

// The largest of each column of a row of windows and its place; returns whether there may be NaNs.
template <class T, bool MayBeNan>
PAG_INLINE bool largest_of_columns(T* best, Lane<T>* places, const T* x, int64_t width,
                                   int64_t begin, int64_t end) {
  Vec<T> sum{};
  each_vector<T>(width, [&](int64_t j, int lanes) __attribute__((always_inline)) {
    Vec<Lane<T>> place = vcount(Lane<T>{}) + static_cast<Lane<T>>(begin * width + j);
    Vec<Lane<T>> winner = place;
    Vec<T> top = vload_lanes(x + begin * width + j, lanes);
    sum += top;
    for (int64_t r = begin + 1; r < end; ++r) {
      place += static_cast<Lane<T>>(width);
      const Vec<T> v = vload_lanes(x + r * width + j, lanes);
      sum += v;
      challenge<T, MayBeNan>(v, place, &top, &winner);
    }
    vstore(best + j, top);
    vstore(places + j, winner);
  });
  return has_nan<T>(sum);
}

// First the largest of each column of a row of windows, with its place, and then the largest of
// these. `best` and `places` hold `width` values each, and may be read beyond.
template <class T>
void max_pool_windows(T* out, int64_t* index, const T* x, int64_t width,
                      const pag::PoolWindows& rows, const pag::PoolColumns<T>& columns, T* best,
                      Lane<T>* places) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < rows.count; ++i, out += columns.count, index += columns.count) {
    const int64_t begin = rows.begin[i], end = rows.end[i];
    if (end - begin == 1 && columns.longest >= L) {  // where it lies
      const RowPlaces<T> row = {static_cast<Lane<T>>(begin * width)};
      for (int64_t j = 0; j < columns.count; ++j)
        largest(out + j, index + j, x + begin * width, row, columns.begin[j],
                columns.begin[j] + columns.length[j]);
      continue;
    }
    const bool nan = largest_of_columns<T, false>(best, places, x, width, begin, end) &&
                     largest_of_columns<T, true>(best, places, x, width, begin, end);
    each_vector<T>(columns.count, [&](int64_t j, int lanes) __attribute__((always_inline)) {
      if (columns.begin[j + L - 1] - columns.begin[j] >= 2 * L) {
        for (int64_t k = j; k < j + lanes; ++k)
          largest(out + k, index + k, best, OwnPlaces<T>{places}, columns.begin[k],
                  columns.begin[k] + columns.length[k]);
        return;
      }
      const Winners<T> w = nan ? largest_side_by_side<T, true>(best, places, columns, j)
                               : largest_side_by_side<T, false>(best, places, columns, j);
      vstore_lanes(out + j, w.value, lanes);
      for (int k = 0; k < lanes; ++k) index[j + k] = w.place[k];
    });
  }
}

}  // namespace
