// Max pooling of one plane (height, width) over windows of any size. After pool_max.inl.
#include "isa/shuffle.h"

namespace {

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

// In lane 0 the result of the first `lanes`, by pairs at a distance of half a vector, a quarter,
// ... Those behind them hold nothing that would change it.
template <class T, class Combine>
PAG_INLINE Vec<T> folded(Vec<T> v, int lanes, Combine combine) {
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    if (half < lanes)
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
  top = vset(folded<T>(top, lanes, larger)[0]);
  const Vec<Lane<T>> nowhere = Vec<Lane<T>>{} + kNowhere<T>;
  Vec<Lane<T>> place = vselect(first == top, places.several(begin), nowhere);
  if (lanes < L) place = vselect(vfirst<T>(lanes), place, nowhere);
  each([&](int64_t c) __attribute__((always_inline)) {
    const Vec<Lane<T>> p = vselect(vload(values + c) == top, places.several(c), nowhere);
    place = vselect(p < place, p, place);
  });
  place = (Vec<Lane<T>>)folded<T>((Vec<T>)place, lanes,
                                  [](Vec<T> a, Vec<T> b) __attribute__((always_inline)) {
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
