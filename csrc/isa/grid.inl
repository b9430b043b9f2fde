// Reading images at the places of a grid: weights of the elements around them, and sums with these.
#include "isa/grid.h"
#include "isa/shuffle.h"

namespace {

template <class T>
using PlaceTaps = pag::GridTaps<T>;

// ---- places -------------------------------------------------------------------------------------

// Places in elements along one dimension, and their derivatives by the grid's coordinates.
template <class T>
struct Places {
  Vec<T> at, slope;
};

// NaN becomes `low`.
template <class T>
PAG_INLINE void clamp_places(Places<T>* p, T low, T high) {
  const Vec<T> none{};
  const auto above = p->at > vset(low), below = p->at < vset(high);
  p->slope = vselect(above & below, p->slope, none);
  p->at = vselect(above, vselect(below, p->at, vset(high)), vset(low));
}

// Folded back at the borders, as often as it takes: the centres of the outermost elements, or their
// outer edges.
template <class T>
PAG_INLINE void reflect_places(Places<T>* p, T size, bool corners) {
  const T low = corners ? T{0} : static_cast<T>(-0.5), span = corners ? size - 1 : size;
  if (span == 0) {
    p->at = p->slope = Vec<T>{};
    return;
  }
  const Vec<T> from = p->at - vset(low), away = vabs(from), width = vset(span);
  const Vec<T> turns = vfloor(away / width), rest = away - turns * width;
  const Vec<T> pairs = vfloor(turns * vset(static_cast<T>(0.5)));
  const auto odd = turns != pairs + pairs, before = from < 0;
  p->at = vselect(odd, width - rest, rest) + vset(low);
  p->slope = vselect(odd ^ before, -p->slope, p->slope);
}

// Inside of the image, as the padding has it; zeros leave places where they are, but finite.
template <class T>
PAG_INLINE void pad_places(Places<T>* p, T size, const pag::GridGeometry& s) {
  const T far = static_cast<T>(1e9);  // outside of every image, and a whole number
  if (s.padding == pag::kZeros) return clamp_places<T>(p, -far, far);
  if (s.padding == pag::kReflection) reflect_places<T>(p, size, s.corners);
  clamp_places<T>(p, T{0}, size - 1);
}

// ---- weights ------------------------------------------------------------------------------------

// The derivative of a cubic polynomial c3 t^3 + ... + c0.
template <class T>
PAG_INLINE Vec<T> cubic(Vec<T> t, int order, T c3, T c2, T c1, T c0) {
  if (order == 0) return ((t * vset(c3) + vset(c2)) * t + vset(c1)) * t + vset(c0);
  if (order == 1) return (t * vset(3 * c3) + vset(2 * c2)) * t + vset(c1);
  if (order == 2) return t * vset(6 * c3) + vset(2 * c2);
  return order == 3 ? vset(6 * c3) : Vec<T>{};
}

// The elements around places along one dimension (-1 for one outside), and their weights.
template <class T, pag::GridMode Mode>
struct LineTaps {
  static constexpr int kTaps = Mode == pag::kNearest ? 1 : Mode == pag::kBilinear ? 2 : 4;
  Vec<T> weight[kTaps];
  Vec<Lane<T>> at[kTaps];

  PAG_INLINE LineTaps(Vec<T> coordinates, const pag::GridGeometry& s, int d) {
    const T size = static_cast<T>(s.sizes[d]), half = static_cast<T>(0.5);
    const T scale = (s.corners ? size - 1 : size) * half;
    const Vec<T> from_start = (coordinates + vset(T{1})) * vset(scale);
    Places<T> p = {s.corners ? from_start : from_start - vset(half), vset(scale)};
    const bool one_by_one = Mode == pag::kBicubic && s.padding != pag::kZeros;
    if (one_by_one)
      clamp_places<T>(&p, static_cast<T>(-1e9), static_cast<T>(1e9));
    else
      pad_places<T>(&p, size, s);
    const Vec<T> first = Mode == pag::kNearest ? vround(p.at) : vfloor(p.at);
    weigh(p.at - first, s.orders[d]);
    for (int k = 0; k < kTaps; ++k) {
      for (int order = 0; order < s.orders[d]; ++order) weight[k] *= p.slope;
      Places<T> tap = {first + vset(static_cast<T>(Mode == pag::kBicubic ? k - 1 : k)), {}};
      if (one_by_one) pad_places<T>(&tap, size, s);
      const auto inside = (tap.at >= 0) & (tap.at < vset(size));
      at[k] = vselect(inside, __builtin_convertvector(tap.at, Vec<Lane<T>>), Vec<Lane<T>>{} - 1);
    }
    if (Mode == pag::kNearest || s.padding != pag::kZeros) return;
    const auto lost = coordinates != coordinates;  // a place that is none gives no value either
    for (int k = 0; k < kTaps; ++k) {
      weight[k] = vselect(lost, coordinates, weight[k]);
      at[k] = vselect(lost, Vec<Lane<T>>{}, at[k]);
    }
  }

  // At t in [0, 1) after the first element, or for cubic weights the second. Keys, 1981, a = -0.75.
  PAG_INLINE void weigh(Vec<T> t, int order) {
    const Vec<T> one = vset(T{1}), none{};
    if constexpr (Mode == pag::kNearest) {
      weight[0] = order ? none : one;
    } else if constexpr (Mode == pag::kBilinear) {
      weight[0] = order == 0 ? one - t : order == 1 ? -one : none;
      weight[1] = order == 0 ? t : order == 1 ? one : none;
    } else {
      const T a = static_cast<T>(-0.75);
      weight[0] = cubic<T>(t, order, a, -2 * a, a, 0);
      weight[1] = cubic<T>(t, order, a + 2, -a - 3, 0, 1);
      weight[2] = cubic<T>(t, order, -a - 2, 2 * a + 3, -a, 0);
      weight[3] = cubic<T>(t, order, -a, a, 0, 0);
    }
  }
};

template <class T, pag::GridMode Mode, int Dims>
void grid_weights_as(const T* grid, const pag::GridGeometry& s, const PlaceTaps<T>& to) {
  using Line = LineTaps<T, Mode>;
  constexpr int kDeep = Dims == 3 ? Line::kTaps : 1;
  static_assert(pag::kGridTile % kLanes<T> == 0, "vectors are stored whole");
  const Vec<Lane<T>> none{}, width = none + static_cast<Lane<T>>(s.sizes[0]),
                             height = none + static_cast<Lane<T>>(s.sizes[1]);
  each_vector<T>(to.count, [&](int64_t p, int lanes) __attribute__((always_inline)) {
    Vec<T> along_x, along_y, along_z{};
    if constexpr (Dims == 2) {
      load_pairs(grid + 2 * p, lanes, &along_x, &along_y);
    } else {
      T apart[3][kLanes<T>] = {};
      for (int i = 0; i < lanes; ++i)
        for (int d = 0; d < 3; ++d) apart[d][i] = grid[3 * (p + i) + d];
      along_x = vload(apart[0]);
      along_y = vload(apart[1]);
      along_z = vload(apart[2]);
    }
    const Line x(along_x, s, 0), y(along_y, s, 1), z = Dims == 3 ? Line(along_z, s, 2) : y;
    int64_t at = p;
    for (int a = 0; a < kDeep; ++a)
      for (int b = 0; b < Line::kTaps; ++b) {
        const Vec<T> outer = Dims == 3 ? z.weight[a] * y.weight[b] : y.weight[b];
        const Vec<Lane<T>> row = (Dims == 3 ? z.at[a] * height + y.at[b] : y.at[b]) * width;
        // All bits are set in what is outside.
        const Vec<Lane<T>> outside = Dims == 3 ? (z.at[a] | y.at[b]) >> 31 : y.at[b] >> 31;
        for (int c = 0; c < Line::kTaps; ++c, at += pag::kGridTile) {
          vstore(to.weights + at, outer * x.weight[c]);
          vstore(to.index + at, (row + x.at[c]) | outside | (x.at[c] >> 31));
        }
      }
  });
}

template <class T>
void grid_weights(const T* grid, const pag::GridGeometry& s, const PlaceTaps<T>& to) {
  if (s.mode == pag::kBicubic) return grid_weights_as<T, pag::kBicubic, 2>(grid, s, to);
  if (s.mode == pag::kNearest)
    return s.dims == 2 ? grid_weights_as<T, pag::kNearest, 2>(grid, s, to)
                       : grid_weights_as<T, pag::kNearest, 3>(grid, s, to);
  return s.dims == 2 ? grid_weights_as<T, pag::kBilinear, 2>(grid, s, to)
                     : grid_weights_as<T, pag::kBilinear, 3>(grid, s, to);
}

// ---- one channel --------------------------------------------------------------------------------

// x[index[i]], 0 for an index of -1.
#if PAG_VEC_BYTES == 64
PAG_INLINE VecF gathered(const float* x, const int32_t* index) {
  const __m512i i = (__m512i)vload(index);
  const __mmask16 inside = _mm512_cmpge_epi32_mask(i, _mm512_setzero_si512());
  return (VecF)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), inside, i, x, 4);
}
PAG_INLINE VecD gathered(const double* x, const int64_t* index) {
  const __m512i i = (__m512i)vload(index);
  const __mmask8 inside = _mm512_cmpge_epi64_mask(i, _mm512_setzero_si512());
  return (VecD)_mm512_mask_i64gather_pd(_mm512_setzero_pd(), inside, i, x, 8);
}
#elif PAG_VEC_BYTES == 32
PAG_INLINE VecF gathered(const float* x, const int32_t* index) {
  const VecI i = vload(index);
  return (VecF)_mm256_mask_i32gather_ps(_mm256_setzero_ps(), x, (__m256i)i, (__m256)(i >= 0), 4);
}
PAG_INLINE VecD gathered(const double* x, const int64_t* index) {
  const VecL i = vload(index);
  return (VecD)_mm256_mask_i64gather_pd(_mm256_setzero_pd(), x, (__m256i)i, (__m256d)(i >= 0), 8);
}
#else
template <class T>
PAG_INLINE Vec<T> gathered(const T* x, const Lane<T>* index) {
  T values[kLanes<T>];
  for (int i = 0; i < kLanes<T>; ++i) values[i] = index[i] < 0 ? T{0} : x[index[i]];
  return vload(values);
}
#endif

template <class T>
void grid_read_line(T* out, const T* x, const PlaceTaps<T>& taps) {
  each_vector<T>(taps.count, [=](int64_t p, int lanes) __attribute__((always_inline)) {
    Vec<T> total{};
    for (int64_t at = p; at < taps.taps * pag::kGridTile; at += pag::kGridTile) {
      total += vload(taps.weights + at) * gathered(x, taps.index + at);
    }
    vstore_lanes(out + p, total, lanes);
  });
}

template <class T>
void grid_add_line(T* out, const T* g, const PlaceTaps<T>& taps) {
  // By taps: neighbouring places seldom share the same one, and need not wait for each other.
  for (int64_t at = 0; at < taps.taps * pag::kGridTile; at += pag::kGridTile)
    for (int64_t p = 0; p < taps.count; ++p) {
      const Lane<T> index = taps.index[at + p];
      if (index >= 0) out[index] += taps.weights[at + p] * g[p];
    }
}

template <class T>
void grid_dot_line(T* dots, const T* g, const T* x, const PlaceTaps<T>& taps) {
  each_vector<T>(taps.count, [=](int64_t p, int lanes) __attribute__((always_inline)) {
    const Vec<T> v = vload_lanes(g + p, lanes);
    for (int64_t at = p; at < taps.taps * pag::kGridTile; at += pag::kGridTile) {
      vstore(dots + at, vload(dots + at) + v * gathered(x, taps.index + at));
    }
  });
}

// ---- channels side by side ----------------------------------------------------------------------

// visit(tap, place, index) for what lies inside, place by place.
template <class T, class Visit>
PAG_INLINE void each_tap(const PlaceTaps<T>& taps, Visit visit) {
  for (int64_t p = 0; p < taps.count; ++p)
    for (int64_t k = 0; k < taps.taps; ++k) {
      const Lane<T> index = taps.index[k * pag::kGridTile + p];
      if (index >= 0) visit(k * pag::kGridTile + p, p, static_cast<int64_t>(index));
    }
}

template <class T>
struct Channels {
  static constexpr int kVectors = pag::kGridChannels / kLanes<T>;
  Vec<T> v[kVectors];

  static PAG_INLINE Channels load(const T* p) {
    Channels c;
    for (int i = 0; i < kVectors; ++i) c.v[i] = vload(p + i * kLanes<T>);
    return c;
  }
  PAG_INLINE void store(T* p) const {
    for (int i = 0; i < kVectors; ++i) vstore(p + i * kLanes<T>, v[i]);
  }
  PAG_INLINE void add(Vec<T> factor, const Channels& x) {
    for (int i = 0; i < kVectors; ++i) v[i] += factor * x.v[i];
  }
  PAG_INLINE T dot(const Channels& x) const {
    Vec<T> total = v[0] * x.v[0];
    for (int i = 1; i < kVectors; ++i) total += v[i] * x.v[i];
    return vsum<T>(total);
  }
};

template <class T>
void grid_read_block(T* out, const T* x, const PlaceTaps<T>& taps) {
  for (int64_t p = 0; p < taps.count; ++p) {
    Channels<T> total = {};
    for (int64_t k = 0; k < taps.taps; ++k) {
      const Lane<T> index = taps.index[k * pag::kGridTile + p];
      if (index >= 0)
        total.add(vset(taps.weights[k * pag::kGridTile + p]),
                  Channels<T>::load(x + index * pag::kGridChannels));
    }
    total.store(out + p * pag::kGridChannels);
  }
}

template <class T>
void grid_add_block(T* out, const T* g, const PlaceTaps<T>& taps) {
  each_tap(taps, [=](int64_t tap, int64_t p, int64_t index) __attribute__((always_inline)) {
    T* const to = out + index * pag::kGridChannels;
    Channels<T> sum = Channels<T>::load(to);
    sum.add(vset(taps.weights[tap]), Channels<T>::load(g + p * pag::kGridChannels));
    sum.store(to);
  });
}

template <class T>
void grid_dot_block(T* dots, const T* g, const T* x, const PlaceTaps<T>& taps) {
  each_tap(taps, [=](int64_t tap, int64_t p, int64_t index) __attribute__((always_inline)) {
    dots[tap] += Channels<T>::load(g + p * pag::kGridChannels)
                     .dot(Channels<T>::load(x + index * pag::kGridChannels));
  });
}

}  // namespace
