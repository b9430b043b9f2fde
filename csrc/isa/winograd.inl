// Winograd's transforms for F(4x4, 3x3) at the points 0, +-sqrt(1/2), +-sqrt(2) and infinity
// (Lavin and Gray, 2016; with these points the error is a fifth of that with 0, +-1, +-2).
#include "isa/conv.inl"
#include "isa/winograd.h"

namespace {

using pag::kWinogradTiles;
using pag::TileBlock;
using pag::TileRun;

constexpr float kSqrtHalf = 0.70710678118654752f, kSqrtTwo = 1.41421356237309505f;

// B^T d: 6 inputs to 6 places.
PAG_INLINE void to_places(const VecF (&d)[6], VecF (&t)[6]) {
  const VecF minus_half = vset(-0.5f), minus_two = vset(-2.0f), minus_sum = vset(-2.5f);
  const VecF half_even = vfma(minus_two, d[2], d[4]), half_odd = vfma(minus_two, d[1], d[3]);
  const VecF two_even = vfma(minus_half, d[2], d[4]), two_odd = vfma(minus_half, d[1], d[3]);
  t[0] = vfma(minus_sum, d[2], d[0] + d[4]);
  t[1] = vfma(vset(kSqrtHalf), half_odd, half_even);
  t[2] = vfma(vset(-kSqrtHalf), half_odd, half_even);
  t[3] = vfma(vset(kSqrtTwo), two_odd, two_even);
  t[4] = vfma(vset(-kSqrtTwo), two_odd, two_even);
  t[5] = vfma(minus_sum, d[3], d[1] + d[5]);
}

// A^T m: 6 places to 4 outputs.
PAG_INLINE void from_places(const VecF (&m)[6], VecF (&y)[4]) {
  const VecF half_sum = m[1] + m[2], half_gap = m[1] - m[2];
  const VecF two_sum = m[3] + m[4], two_gap = m[3] - m[4];
  y[0] = m[0] + half_sum + two_sum;
  y[1] = vfma(vset(kSqrtTwo), two_gap, vset(kSqrtHalf) * half_gap);
  y[2] = vfma(vset(2.0f), two_sum, vset(0.5f) * half_sum);
  y[3] = vfma(vset(2 * kSqrtTwo), two_gap, vfma(vset(kSqrtHalf / 2), half_gap, m[5]));
}

// G g: 3 weights to 6 places.
PAG_INLINE void weights_to_places(VecF g0, VecF g1, VecF g2, VecF (&u)[6]) {
  const VecF half = vset(-2.0f / 3) * vfma(vset(0.5f), g2, g0);
  const VecF two = vset(1.0f / 6) * vfma(vset(2.0f), g2, g0);
  u[0] = g0;
  u[1] = vfma(vset(-2.0f / 3 * kSqrtHalf), g1, half);
  u[2] = vfma(vset(2.0f / 3 * kSqrtHalf), g1, half);
  u[3] = vfma(vset(kSqrtTwo / 6), g1, two);
  u[4] = vfma(vset(-kSqrtTwo / 6), g1, two);
  u[5] = g2;
}

// Two vectors of quadruples q: alternating elements 0 and 1 (or 2 and 3) of their quadruples, and
// the lower (or upper) halves of their quadruples. Each is one instruction.
template <int First>
PAG_INLINE VecF interleave(VecF a, VecF b) {
  constexpr int L = kLanes<float>;
  VecI index;
  for (int l = 0; l < L; ++l) index[l] = l / 4 * 4 + l % 4 / 2 + First + l % 2 * L;
  return __builtin_shuffle(a, b, index);
}
template <int First>
PAG_INLINE VecF halves(VecF a, VecF b) {
  constexpr int L = kLanes<float>;
  VecI index;
  for (int l = 0; l < L; ++l) index[l] = l / 4 * 4 + l % 2 + First + l % 4 / 2 * L;
  return __builtin_shuffle(a, b, index);
}

// Transposes each 4x4 block that the four vectors have in the same lanes. Four vectors of
// neighbouring quadruples become the first, second, third and fourth elements of all quadruples
// (in a permuted order), and the other way round.
PAG_INLINE void transpose_quadruples(const VecF (&x)[4], VecF* y) {
  const VecF low01 = interleave<0>(x[0], x[1]), low23 = interleave<0>(x[2], x[3]);
  const VecF high01 = interleave<2>(x[0], x[1]), high23 = interleave<2>(x[2], x[3]);
  y[0] = halves<0>(low01, low23);
  y[1] = halves<2>(low01, low23);
  y[2] = halves<0>(high01, high23);
  y[3] = halves<2>(high01, high23);
}

void winograd_weights(int64_t channels, const float* w, int64_t w_channel, bool rotated, float* u,
                      int64_t u_place) {
  constexpr int L = kLanes<float>;
  for (int64_t c = 0; c < channels; c += L) {
    const int lanes = static_cast<int>(channels - c < L ? channels - c : L);
    float taps[9 * L];
    conv_transpose(lanes, 9, w + c * w_channel, w_channel, taps, L);
    VecF rows[3][6];
    for (int s = 0; s < 3; ++s) {
      VecF g[3];
      for (int r = 0; r < 3; ++r) {
        const int tap = r * 3 + s;
        g[r] = vload_lanes(taps + (rotated ? 8 - tap : tap) * L, lanes);
      }
      weights_to_places(g[0], g[1], g[2], rows[s]);
    }
    PAG_UNROLL
    for (int i = 0; i < 6; ++i) {
      VecF places[6];
      weights_to_places(rows[0][i], rows[1][i], rows[2][i], places);
      PAG_UNROLL
      for (int j = 0; j < 6; ++j) vstore_lanes(u + (i * 6 + j) * u_place + c, places[j], lanes);
    }
  }
}

// A block's six rows after the vertical transform, four columns a tile.
struct TileRows {
  // What a run writes too far, the next overwrites.
  static constexpr int kLength = 4 * kWinogradTiles + 2 * kLanes<float>;
  alignas(64) float row[6][kLength];

  PAG_INLINE void store(int64_t at, const VecF (&v)[6]) {
    PAG_UNROLL
    for (int r = 0; r < 6; ++r) vstore(row[r] + at, v[r]);
  }
};

// The first four columns of the run's tiles in `rows`; the other two in `next`, as the first of a
// quadruple.
PAG_INLINE void transform_columns(const TileRun& run, const float* x, int64_t x_row, TileRows& rows,
                                  TileRows& next) {
  constexpr int L = kLanes<float>;
  const VecF zeros[6] = {};
  const int64_t first = 4 * run.first, end = 4 * run.count + 4;
  for (int64_t i = 0; i < run.left; i += L) rows.store(first + i, zeros);
  int64_t i = 0;
  for (; i < run.columns; i += L) {
    const int lanes = static_cast<int>(run.columns - i < L ? run.columns - i : L);
    const float* from = x + run.from + i;
    VecF d[6], t[6];
    PAG_UNROLL
    for (int r = 0; r < 6; ++r)
      d[r] = r >= run.top && r < run.bottom ? vload_lanes(from + r * x_row, lanes) : VecF{};
    to_places(d, t);
    rows.store(first + run.left + i, t);
  }
  for (i += run.left; i < end; i += L) rows.store(first + i, zeros);
  for (i = 0; i < 4 * run.count; i += L) {
    VecF t[6];
    PAG_UNROLL
    for (int r = 0; r < 6; ++r) t[r] = vload(rows.row[r] + first + 4 + i);
    next.store(first + i, t);
  }
}

void winograd_input(const TileBlock& block, const float* x, int64_t x_row, float* v,
                    int64_t v_place, int64_t panel, int64_t v_panel) {
  constexpr int L = kLanes<float>;
  TileRows rows, next;
  for (int64_t r = 0; r < block.run_count; ++r)
    transform_columns(block.runs[r], x, x_row, rows, next);
  const TileRun& last = block.runs[block.run_count - 1];
  const VecF zeros[6] = {};
  for (int64_t i = 4 * (last.first + last.count); i < 4 * block.tiles; i += L) {
    rows.store(i, zeros);
    next.store(i, zeros);
  }
  int64_t column = 0;
  for (int64_t tile = 0; tile < block.tiles; tile += L) {
    for (int r = 0; r < 6; ++r) {
      VecF these[4], those[4], d[6], t[6];
      PAG_UNROLL
      for (int i = 0; i < 4; ++i) {
        these[i] = vload(rows.row[r] + 4 * tile + i * L);
        those[i] = vload(next.row[r] + 4 * tile + i * L);
      }
      VecF unused[4];
      transpose_quadruples(these, d);
      transpose_quadruples(those, unused);
      d[4] = unused[0];
      d[5] = unused[1];
      to_places(d, t);
      PAG_UNROLL
      for (int e = 0; e < 6; ++e) vstore(v + (r * 6 + e) * v_place + column, t[e]);
    }
    column += L;
    if (column == panel) {
      column = 0;
      v += v_panel;
    }
  }
}

void winograd_output(const TileBlock& block, const float* m, int64_t m_place, float bias,
                     float* out, int64_t out_row) {
  constexpr int L = kLanes<float>;
  alignas(64) float rows[4][4 * kWinogradTiles];
  const VecF start = vset(bias);
  for (int64_t tile = 0; tile < block.tiles; tile += L) {
    VecF columns[4][6];
    PAG_UNROLL
    for (int e = 0; e < 6; ++e) {
      VecF place[6], y[4];
      PAG_UNROLL
      for (int r = 0; r < 6; ++r) place[r] = vload(m + (r * 6 + e) * m_place + tile);
      from_places(place, y);
      PAG_UNROLL
      for (int r = 0; r < 4; ++r) columns[r][e] = y[r];
    }
    PAG_UNROLL
    for (int r = 0; r < 4; ++r) {
      VecF y[4], pixels[4];
      from_places(columns[r], y);
      PAG_UNROLL
      for (int i = 0; i < 4; ++i) y[i] += start;
      transpose_quadruples(y, pixels);
      PAG_UNROLL
      for (int i = 0; i < 4; ++i) vstore(rows[r] + 4 * tile + i * L, pixels[i]);
    }
  }
  for (int64_t i = 0; i < block.run_count; ++i) {
    const TileRun& run = block.runs[i];
    for (int64_t r = 0; r < run.out_rows; ++r) {
      const float* from = rows[r] + 4 * run.first;
      float* to = out + run.to + r * out_row;
      each_vector<float>(run.out_columns,
                         [&](int64_t at, int lanes) __attribute__((always_inline)) {
                           vstore_lanes(to + at, vload_lanes(from + at, lanes), lanes);
                         });
    }
  }
}

// ---- the weight gradient, the adjoint of all that
// ------------------------------------------------

// A g: 4 gradients of outputs to 6 places.
PAG_INLINE void grads_to_places(const VecF (&g)[4], VecF (&t)[6]) {
  const VecF half_even = vfma(vset(0.5f), g[2], g[0]), half_odd = vfma(vset(0.5f), g[3], g[1]);
  const VecF two_even = vfma(vset(2.0f), g[2], g[0]), two_odd = vfma(vset(2.0f), g[3], g[1]);
  t[0] = g[0];
  t[1] = vfma(vset(kSqrtHalf), half_odd, half_even);
  t[2] = vfma(vset(-kSqrtHalf), half_odd, half_even);
  t[3] = vfma(vset(kSqrtTwo), two_odd, two_even);
  t[4] = vfma(vset(-kSqrtTwo), two_odd, two_even);
  t[5] = g[3];
}

// G^T u: 6 places to 3 weights.
PAG_INLINE void weights_from_places(const VecF (&u)[6], VecF (&w)[3]) {
  const VecF half_sum = u[1] + u[2], half_gap = u[1] - u[2];
  const VecF two_sum = u[3] + u[4], two_gap = u[3] - u[4];
  w[0] = vfma(vset(1.0f / 6), two_sum, vfma(vset(-2.0f / 3), half_sum, u[0]));
  w[1] = vfma(vset(kSqrtTwo / 6), two_gap, vset(-2.0f / 3 * kSqrtHalf) * half_gap);
  w[2] = vfma(vset(1.0f / 3), two_sum - half_sum, u[5]);
}

// Rows of pixels, each a vector of channels.
template <int Rows, int Width>
struct ChannelRows {
  alignas(64) float at[Rows][Width][kLanes<float>];

  // Pixels [left, left + columns) of a row, `width` in all, from rows of the channels.
  PAG_INLINE void fill(int row, int lanes, const float* x, int64_t x_plane, int64_t left,
                       int64_t columns, int64_t width) {
    for (int64_t i = 0; i < left; ++i) vstore(at[row][i], VecF{});
    if (columns > 0) pixels(lanes, columns, x, x_plane, at[row][left]);
    for (int64_t i = left + columns; i < width; ++i) vstore(at[row][i], VecF{});
  }

 private:
  PAG_INLINE void pixels(int lanes, int64_t columns, const float* x, int64_t x_plane, float* to) {
    constexpr int L = kLanes<float>;
    for (int64_t j = 0; j < columns; j += L) {
      const int count = static_cast<int>(columns - j < L ? columns - j : L);
      VecF block[L];
      PAG_UNROLL
      for (int l = 0; l < L; ++l)
        block[l] = l < lanes ? vload_lanes(x + l * x_plane + j, count) : VecF{};
      vtranspose<float>(block);
      PAG_UNROLL
      for (int l = 0; l < L; ++l)
        if (l < count) vstore(to + (j + l) * L, block[l]);
    }
  }
};

void winograd_grad_input(const TileRun& run, int64_t channels, const float* x, int64_t x_plane,
                         int64_t x_row, float* v, int64_t v_place, int64_t v_tile) {
  constexpr int L = kLanes<float>;
  ChannelRows<6, 4 * pag::kWinogradRun + 2> rows;
  const int64_t width = 4 * run.count + 2;
  for (int64_t c = 0; c < channels; c += L) {
    const int lanes = static_cast<int>(channels - c < L ? channels - c : L);
    for (int r = 0; r < 6; ++r) {
      const bool inside = r >= run.top && r < run.bottom;
      rows.fill(r, lanes, x + c * x_plane + run.from + r * x_row, x_plane, inside ? run.left : 0,
                inside ? run.columns : 0, width);
    }
    for (int64_t t = 0; t < run.count; ++t) {
      VecF half[6][6];
      PAG_UNROLL
      for (int s = 0; s < 6; ++s) {
        VecF d[6], places[6];
        PAG_UNROLL
        for (int r = 0; r < 6; ++r) d[r] = vload(rows.at[r][4 * t + s]);
        to_places(d, places);
        PAG_UNROLL
        for (int r = 0; r < 6; ++r) half[r][s] = places[r];
      }
      float* to = v + t * v_tile + c;
      PAG_UNROLL
      for (int r = 0; r < 6; ++r) {
        VecF places[6];
        to_places(half[r], places);
        PAG_UNROLL
        for (int e = 0; e < 6; ++e) vstore(to + (r * 6 + e) * v_place, places[e]);
      }
    }
  }
}

void winograd_grad_output(const TileRun& run, int64_t channels, const float* g, int64_t g_plane,
                          int64_t g_row, float* v, int64_t v_place, int64_t v_tile) {
  constexpr int L = kLanes<float>;
  ChannelRows<4, 4 * pag::kWinogradRun> rows;
  for (int64_t c = 0; c < channels; c += L) {
    const int lanes = static_cast<int>(channels - c < L ? channels - c : L);
    for (int r = 0; r < 4; ++r)
      rows.fill(r, lanes, g + c * g_plane + run.to + r * g_row, g_plane, 0,
                r < run.out_rows ? run.out_columns : 0, 4 * run.count);
    for (int64_t t = 0; t < run.count; ++t) {
      VecF half[6][4];
      PAG_UNROLL
      for (int s = 0; s < 4; ++s) {
        VecF d[4], places[6];
        PAG_UNROLL
        for (int r = 0; r < 4; ++r) d[r] = vload(rows.at[r][4 * t + s]);
        grads_to_places(d, places);
        PAG_UNROLL
        for (int r = 0; r < 6; ++r) half[r][s] = places[r];
      }
      float* to = v + t * v_tile + c;
      PAG_UNROLL
      for (int r = 0; r < 6; ++r) {
        VecF places[6];
        grads_to_places(half[r], places);
        PAG_UNROLL
        for (int e = 0; e < 6; ++e) vstore(to + (r * 6 + e) * v_place, places[e]);
      }
    }
  }
}

void winograd_grad_weights(int64_t channels, const float* u, int64_t u_place, float* dw) {
  constexpr int L = kLanes<float>;
  for (int64_t c = 0; c < channels; c += L) {
    VecF half[3][6];
    PAG_UNROLL
    for (int s = 0; s < 6; ++s) {
      VecF places[6], w[3];
      PAG_UNROLL
      for (int r = 0; r < 6; ++r) places[r] = vload(u + (r * 6 + s) * u_place + c);
      weights_from_places(places, w);
      PAG_UNROLL
      for (int r = 0; r < 3; ++r) half[r][s] = w[r];
    }
    alignas(64) float taps[9 * L];
    PAG_UNROLL
    for (int r = 0; r < 3; ++r) {
      VecF w[3];
      weights_from_places(half[r], w);
      PAG_UNROLL
      for (int s = 0; s < 3; ++s) vstore(taps + (r * 3 + s) * L, w[s]);
    }
    conv_transpose<float>(9, channels - c < L ? channels - c : L, taps, L, dw + c * 9, 9);
  }
}

}  // namespace

#define PAG_WINOGRAD_LOOPS                                     \
  {winograd_weights,    winograd_input,       winograd_output, \
   winograd_grad_input, winograd_grad_output, winograd_grad_weights}
