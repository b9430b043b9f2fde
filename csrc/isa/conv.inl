// Convolution: the microkernel of isa/gemm.inl with B read from images, and the column matrix.
#pragma once
#include "isa/conv.h"
#include "isa/gemm.inl"

namespace {

using pag::ConvDirect;
using pag::ConvGather;
using pag::GatherRow;
using pag::GatherTerm;
using pag::PaddedPiece;
using pag::PixelRun;

// V runs of up to a vector each, R rows of weights.
template <class T, int R, int V>
void direct_tile(const ConvDirect<T>& d, const PixelRun* runs, const T* a, T* c, const T* bias) {
  Vec<T> acc[R][V] = {};
  const T* x[V];
  PAG_UNROLL
  for (int j = 0; j < V; ++j) x[j] = d.x + runs[j].from;
  const int64_t a_row = d.a_row;
  const int64_t* offset = d.offsets;
  for (int64_t kk = d.k; kk > 0; --kk, ++a, ++offset) {
    Vec<T> bv[V];
    PAG_UNROLL
    for (int j = 0; j < V; ++j) bv[j] = vload(x[j] + *offset);
    PAG_UNROLL
    for (int i = 0; i < R; ++i) {
      const Vec<T> av = vset(a[i * a_row]);
      PAG_UNROLL
      for (int j = 0; j < V; ++j) acc[i][j] = vfma(av, bv[j], acc[i][j]);
    }
  }
  PAG_UNROLL
  for (int j = 0; j < V; ++j)
    finish_vector<T, R, V>(acc, j, c + runs[j].to, d.c_row, static_cast<int>(runs[j].length),
                           d.start, bias, bias);
}

template <class T>
using DirectFn = void (*)(const ConvDirect<T>&, const PixelRun*, const T*, T*, const T*);

#define PAG_TILE_ROW(R)                                                             \
  {direct_tile<T, R, 1>, direct_tile<T, R, 2>, direct_tile<T, R, kTileVectors - 1>, \
   direct_tile<T, R, kTileVectors>}
template <class T>
PAG_INLINE DirectFn<T> direct_for(int rows, int vectors) {
  static const DirectFn<T> tiles[kTileRows][4] = {PAG_TILE_ROW(1), PAG_TILE_ROW(2),
                                                  PAG_TILE_ROW(3), PAG_TILE_ROW(4),
                                                  PAG_TILE_ROW(5), PAG_TILE_ROW(6)};
  return tiles[rows - 1][vectors - 1];
}
#undef PAG_TILE_ROW

template <class T>
void conv_direct(const ConvDirect<T>& d) {
  for (int64_t r = 0; r < d.run_count; r += kTileVectors) {
    const int vectors =
        static_cast<int>(d.run_count - r < kTileVectors ? d.run_count - r : kTileVectors);
    for (int64_t i = 0; i < d.m; i += d.rows) {
      const int rows = static_cast<int>(d.m - i < d.rows ? d.m - i : d.rows);
      const T* bias = d.start == GemmStart::kRowBias ? d.bias + i : nullptr;
      direct_for<T>(rows, vectors)(d, d.runs + r, d.a + i * d.a_row, d.c + i * d.c_row, bias);
    }
  }
}

// R rows, V vectors of columns of which the last has `lanes`.
template <class T, int R, int V>
void gather_tile(const ConvGather<T>& g, const GatherRow* rows, int lanes) {
  Vec<T> acc[R][V] = {};
  const T* x[R];
  PAG_UNROLL
  for (int i = 0; i < R; ++i) x[i] = g.x + rows[i].from;
  const GatherTerm* term = g.terms;
  for (int64_t kk = g.k; kk > 0; --kk, ++term) {
    const T* b = g.b + term->b;
    Vec<T> bv[V];
    PAG_UNROLL
    for (int j = 0; j < V; ++j) bv[j] = vload(b + j * kLanes<T>);
    PAG_UNROLL
    for (int i = 0; i < R; ++i) {
      const Vec<T> av = vset(x[i][term->x]);
      PAG_UNROLL
      for (int j = 0; j < V; ++j) acc[i][j] = vfma(av, bv[j], acc[i][j]);
    }
  }
  PAG_UNROLL
  for (int j = 0; j < V; ++j) {
    const int count = j == V - 1 ? lanes : kLanes<T>;
    Vec<T> bias{};
    if (g.start == GemmStart::kColumnBias) bias = vload_lanes(g.bias + j * kLanes<T>, count);
    PAG_UNROLL
    for (int i = 0; i < R; ++i) {
      T* to = g.c + rows[i].to * g.c_row + j * kLanes<T>;
      if (g.start == GemmStart::kC) bias = vload_lanes(to, count);
      vstore_lanes(to, acc[i][j] + bias, count);
    }
  }
}

template <class T>
using GatherFn = void (*)(const ConvGather<T>&, const GatherRow*, int);

// Fewer vectors leave registers for more rows, and the multiplications then hide their latency.
constexpr int kGatherRows = 8;
#define PAG_GATHER_TILES(V)                                                   \
  {gather_tile<T, 1, V>, gather_tile<T, 2, V>,          gather_tile<T, 3, V>, \
   gather_tile<T, 4, V>, gather_tile<T, 5, V>,          gather_tile<T, 6, V>, \
   gather_tile < T,      2 * V <= kTileVectors ? 7 : 6, V >,                  \
   gather_tile < T,      2 * V <= kTileVectors ? 8 : 6, V > }
template <class T>
void conv_gather(const ConvGather<T>& g) {
  static const GatherFn<T> tiles[kTileVectors][kGatherRows] = {
      PAG_GATHER_TILES(1), PAG_GATHER_TILES(2),
#if PAG_VEC_BYTES == 64 || defined(__aarch64__)
      PAG_GATHER_TILES(3), PAG_GATHER_TILES(4)
#endif
  };
  const int vectors = static_cast<int>((g.n + kLanes<T> - 1) / kLanes<T>);
  const int lanes = static_cast<int>(g.n - (vectors - 1) * kLanes<T>);
  const int64_t most = 2 * vectors <= kTileVectors ? kGatherRows : kTileRows;
  int64_t rows, left = (g.m + most - 1) / most;  // tiles of equal height, or of one row less
  for (int64_t i = 0; left > 0; i += rows, --left) {
    rows = (g.m - i + left - 1) / left;
    tiles[vectors - 1][rows - 1](g, g.rows + i, lanes);
  }
}
#undef PAG_GATHER_TILES

// Copies runs piece by piece; each piece moves whole, past the end of a run, where the next run is
// written after it.
template <class T, class Piece>
PAG_INLINE void copy_runs(const T* x, const PixelRun* runs, int64_t run_count, T* out) {
  struct Unaligned {
    Piece piece;
  } __attribute__((packed, may_alias));
  constexpr int64_t step = sizeof(Piece) / sizeof(T);
  out -= runs[0].to;
  for (int64_t r = 0; r < run_count; ++r) {
    const T* from = x + runs[r].from;
    T* to = out + runs[r].to;
    for (int64_t p = 0; p < runs[r].length; p += step)
      reinterpret_cast<Unaligned*>(to + p)->piece =
          reinterpret_cast<const Unaligned*>(from + p)->piece;
  }
}

template <class T>
void conv_im2col(int64_t k, const int64_t* offsets, const T* x, const PixelRun* runs,
                 int64_t run_count, T* out, int64_t out_row) {
  typedef T Half __attribute__((vector_size(PAG_VEC_BYTES / 2)));
  const bool narrow =
      runs[0].length <= kLanes<T> / 2 && runs[run_count - 1].length <= kLanes<T> / 2;
  for (int64_t kk = 0; kk < k; ++kk, out += out_row) {
    if (narrow)
      copy_runs<T, Half>(x + offsets[kk], runs, run_count, out);
    else
      copy_runs<T, Vec<T>>(x + offsets[kk], runs, run_count, out);
  }
}

template <class T, int U>
PAG_INLINE void tap_sums(const int64_t* offsets, const T* x, const T* g, const PixelRun* runs,
                         int64_t run_count, T* out, int64_t out_step) {
  Vec<T> acc[U] = {};
  const T* at[U];
  PAG_UNROLL
  for (int u = 0; u < U; ++u) at[u] = x + offsets[u];
  for (int64_t r = 0; r < run_count; ++r) {
    const int lanes = static_cast<int>(runs[r].length);
    const Vec<T> gv = vload_lanes(g + runs[r].to, lanes);
    PAG_UNROLL
    for (int u = 0; u < U; ++u) acc[u] = vfma(gv, vload_lanes(at[u] + runs[r].from, lanes), acc[u]);
  }
  PAG_UNROLL
  for (int u = 0; u < U; ++u) out[u * out_step] += vsum<T>(acc[u]);
}

template <class T>
void conv_tap_sums(int64_t k, const int64_t* offsets, const T* x, const T* g, const PixelRun* runs,
                   int64_t run_count, T* out, int64_t out_step) {
  int64_t kk = 0;
  for (; kk + 5 <= k; kk += 5)
    tap_sums<T, 5>(offsets + kk, x, g, runs, run_count, out + kk * out_step, out_step);
  for (; kk + 3 <= k; kk += 3)
    tap_sums<T, 3>(offsets + kk, x, g, runs, run_count, out + kk * out_step, out_step);
  for (; kk < k; ++kk)
    tap_sums<T, 1>(offsets + kk, x, g, runs, run_count, out + kk * out_step, out_step);
}

template <class T>
void conv_transpose(int64_t rows, int64_t cols, const T* x, int64_t x_row, T* out,
                    int64_t out_row) {
  constexpr int L = kLanes<T>;
  for (int64_t i = 0; i < rows; i += L) {
    const int height = static_cast<int>(rows - i < L ? rows - i : L);
    for (int64_t j = 0; j < cols; j += L) {
      const int width = static_cast<int>(cols - j < L ? cols - j : L);
      Vec<T> block[L];
      PAG_UNROLL
      for (int l = 0; l < L; ++l)
        block[l] = l < height ? vload_lanes(x + (i + l) * x_row + j, width) : Vec<T>{};
      vtranspose<T>(block);
      PAG_UNROLL
      for (int l = 0; l < L; ++l)
        if (l < width) vstore_lanes(out + (j + l) * out_row + i, block[l], height);
    }
  }
}

// A vector of every Step-th element of an input row, Step 1 or 2, zero outside of it.
template <class T, int Step>
struct PaddedVector {
  static constexpr int L = kLanes<T>;
  decltype(vrange<T>(0, 0)) low, high;  // the elements of the row that it reads
  int64_t from;                         // where lane 0 would read
  bool whole;                           // all lanes lie inside

  PAG_INLINE Vec<T> load(const T* x) const {
    if (Step == 1) return whole ? vload(x + from) : vload(x + from, low);
    typename LaneIndex<T>::type even;
    for (int l = 0; l < L; ++l) even[l] = 2 * l;
    return Vec<T>(__builtin_shuffle(vload(x + from, low), vload(x + from + L, high), even));
  }
};

// The vector from position i of a slot on.
template <class T, int Step>
PAG_INLINE PaddedVector<T, Step> padded_vector(const PaddedPiece& slot, int64_t i) {
  constexpr int64_t L = kLanes<T>;
  const auto within = [](int64_t n) { return static_cast<int>(n < 0 ? 0 : n > L ? L : n); };
  int64_t first = within(slot.left - i), last = within(slot.left + slot.count - i);
  if (first >= last) first = last = 0;
  first *= Step;
  last = last ? (last - 1) * Step + 1 : 0;
  return {vrange<T>(within(first), within(last)), vrange<T>(within(first - L), within(last - L)),
          slot.from + (i - slot.left) * Step, last - first == (L - 1) * Step + 1};
}

template <class T, int Step>
PAG_INLINE void pad_body(int64_t rows, const T* x, int64_t x_row, const PaddedPiece* slot,
                         int64_t slots, int64_t width, T* out, int64_t out_row) {
  constexpr int64_t L = kLanes<T>;
  if (width < L) {  // what is written past a slot, the next one overwrites
    const PaddedVector<T, Step> a = padded_vector<T, Step>(slot[0], 0);
    const PaddedVector<T, Step> b = padded_vector<T, Step>(slot[slots - 1], 0);
    for (int64_t y = 0; y < rows; ++y, x += x_row, out += out_row) {
      vstore(out, a.load(x));
      if (slots == 2) vstore(out + width, b.load(x));
    }
    return;
  }
  constexpr int kMost = 16;
  PaddedVector<T, Step> vectors[kMost];
  T* to[kMost];
  int count = 0;
  const auto write = [&]() __attribute__((always_inline)) {
    for (int64_t y = 0; y < rows; ++y)
      for (int v = 0; v < count; ++v) vstore(to[v] + y * out_row, vectors[v].load(x + y * x_row));
    count = 0;
  };
  for (int64_t p = 0; p < slots; ++p, out += width)
    for (int64_t i = 0; i < width; i += L) {
      if (i + L > width) i = width - L;  // nothing is written past a slot
      vectors[count] = padded_vector<T, Step>(slot[p], i);
      to[count++] = out + i;
      if (count == kMost) write();
    }
  write();
}

template <class T>
void conv_pad_rows(int64_t top, int64_t rows, int64_t bottom, const T* x, int64_t x_row,
                   int64_t step, const PaddedPiece* slot, int64_t slots, int64_t width, T* out,
                   int64_t out_row) {
  constexpr int L = kLanes<T>;
  const auto zero_rows = [&](int64_t count) __attribute__((always_inline)) {
    for (int64_t y = 0; y < count; ++y, out += out_row)
      for (int64_t i = 0; i < slots * width; i += L) vstore(out + i, Vec<T>{});
  };
  zero_rows(top);
  if (step == 1) {  // one slot
    pad_body<T, 1>(rows, x, x_row, slot, 1, width, out, out_row);
  } else if (step == 2) {  // one or two
    pad_body<T, 2>(rows, x, x_row, slot, slots, width, out, out_row);
  } else {
    for (int64_t y = 0; y < rows; ++y, x += x_row)
      for (int64_t p = 0; p < slots; ++p) {
        T* const to = out + y * out_row + p * width;
        for (int64_t i = 0; i < width; ++i) {
          const int64_t at = i - slot[p].left;
          to[i] = at >= 0 && at < slot[p].count ? x[slot[p].from + at * step] : T(0);
        }
      }
  }
  out += rows * out_row;
  zero_rows(bottom);
}

#if PAG_VEC_BYTES == 64
PAG_INLINE void store_even(float* p, VecF v) { _mm512_mask_storeu_ps(p, 0x5555, (__m512)v); }
PAG_INLINE void store_even(double* p, VecD v) { _mm512_mask_storeu_pd(p, 0x55, (__m512d)v); }
#endif

template <class T>
void conv_scatter(int64_t n, const T* x, int64_t step, T* out) {
#if PAG_VEC_BYTES == 64
  if (step == 2) {
    constexpr int L = kLanes<T>;
    typename LaneIndex<T>::type low, high;
    for (int l = 0; l < L; ++l) {
      low[l] = l / 2;
      high[l] = L / 2 + l / 2;
    }
    int64_t i = 0;
    for (; i + L <= n; i += L) {  // the lanes between are another's
      const Vec<T> v = vload(x + i);
      store_even(out + 2 * i, Vec<T>(__builtin_shuffle(v, low)));
      store_even(out + 2 * i + L, Vec<T>(__builtin_shuffle(v, high)));
    }
    x += i;
    out += 2 * i;
    n -= i;
  }
#endif
  for (int64_t i = 0; i < n; ++i) out[i * step] = x[i];
}

}  // namespace

#define PAG_CONV_LOOPS(T)                                                 \
  {conv_direct<T>,    conv_gather<T>,   conv_im2col<T>, conv_tap_sums<T>, \
   conv_transpose<T>, conv_pad_rows<T>, conv_scatter<T>}
