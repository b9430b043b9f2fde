// Matrix product: microkernels on register tiles, and the packing that feeds them.
#pragma once
#include "isa/gemm.h"
#include "isa/vloop.h"

#define PAG_UNROLL _Pragma("GCC unroll 16")

namespace {

using pag::GemmBlock;
using pag::GemmStart;

// The register tile: kTileRows x kTileVectors accumulators, kTileVectors vectors of B and one
// broadcast element of A fill the register file (32 registers, or 16).
constexpr int kTileRows = 6;
#if PAG_VEC_BYTES == 64 || defined(__aarch64__)
constexpr int kTileVectors = 4;
#else
constexpr int kTileVectors = 2;
#endif
constexpr int kDotColumns = 4;

// One tile: R rows, V vectors of which the last has `lanes` columns that belong to C.
template <class T>
struct GemmTile {
  int64_t k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row;
  GemmStart start;
  const T* bias;  // of this tile's first row or column
  int lanes;
};

// Stores column vector j of a tile at c: v = start + accumulator, row by row.
template <class T, int R, int V>
PAG_INLINE void finish_vector(const Vec<T> (&acc)[R][V], int j, T* c, int64_t c_row, int lanes,
                              GemmStart start, const T* row_bias, const T* column_bias) {
  Vec<T> bias{};
  if (start == GemmStart::kColumnBias) bias = vload_lanes(column_bias, lanes);
  PAG_UNROLL
  for (int i = 0; i < R; ++i) {
    Vec<T> v = acc[i][j];
    if (start == GemmStart::kC)
      v += vload_lanes(c + i * c_row, lanes);
    else if (start == GemmStart::kRowBias)
      v += vset(row_bias[i]);
    else if (start == GemmStart::kColumnBias)
      v += bias;
    vstore_lanes(c + i * c_row, v, lanes);
  }
}

template <class T, int R, int V>
void gemm_tile(const GemmTile<T>& t) {
  Vec<T> acc[R][V] = {};
  const T *a = t.a, *b = t.b;
  const int64_t a_row = t.a_row, a_col = t.a_col, b_row = t.b_row;
  for (int64_t kk = t.k; kk > 0; --kk, a += a_col, b += b_row) {
    Vec<T> bv[V];
    PAG_UNROLL
    for (int j = 0; j < V; ++j) bv[j] = vload(b + j * kLanes<T>);
    PAG_UNROLL
    for (int i = 0; i < R; ++i) {
      const Vec<T> av = vset(a[i * a_row]);
      PAG_UNROLL
      for (int j = 0; j < V; ++j) acc[i][j] = vfma(av, bv[j], acc[i][j]);
    }
  }
  PAG_UNROLL
  for (int j = 0; j < V; ++j)
    finish_vector<T, R, V>(acc, j, t.c + j * kLanes<T>, t.c_row, j == V - 1 ? t.lanes : kLanes<T>,
                           t.start, t.bias, t.bias + j * kLanes<T>);
}

template <class T>
using TileFn = void (*)(const GemmTile<T>&);

// By rows and vectors, each from 1. Where a tile has two vectors, the last two entries are unused.
#define PAG_TILE_ROW(R)                                                       \
  {gemm_tile<T, R, 1>, gemm_tile<T, R, 2>, gemm_tile<T, R, kTileVectors - 1>, \
   gemm_tile<T, R, kTileVectors>}
template <class T>
PAG_INLINE TileFn<T> tile_for(int rows, int vectors) {
  static const TileFn<T> tiles[kTileRows][4] = {PAG_TILE_ROW(1), PAG_TILE_ROW(2), PAG_TILE_ROW(3),
                                                PAG_TILE_ROW(4), PAG_TILE_ROW(5), PAG_TILE_ROW(6)};
  return tiles[rows - 1][vectors - 1];
}
#undef PAG_TILE_ROW

template <class T>
void gemm_block(const GemmBlock<T>& g) {
  constexpr int L = kLanes<T>;
  GemmTile<T> t;
  t.k = g.k;
  t.a_row = g.a_row;
  t.a_col = g.a_col;
  t.b_row = g.b_row;
  t.c_row = g.c_row;
  t.start = g.start;
  t.bias = nullptr;
  const int rows_left = static_cast<int>(g.m % g.rows);
  for (int64_t j = 0; j < g.n; j += g.columns) {
    const int columns = static_cast<int>(g.n - j < g.columns ? g.n - j : g.columns);
    const int vectors = (columns + L - 1) / L;
    const TileFn<T> full = tile_for<T>(g.rows, vectors);
    t.lanes = columns - (vectors - 1) * L;
    t.b = g.b + j / g.columns * g.b_panel;
    t.a = g.a;
    if (g.start == GemmStart::kColumnBias) t.bias = g.bias + j;
    int64_t i = 0;
    for (; i + g.rows <= g.m; i += g.rows, t.a += g.a_panel) {
      t.c = g.c + i * g.c_row + j;
      if (g.start == GemmStart::kRowBias) t.bias = g.bias + i;
      full(t);
    }
    if (rows_left) {
      t.c = g.c + i * g.c_row + j;
      if (g.start == GemmStart::kRowBias) t.bias = g.bias + i;
      tile_for<T>(rows_left, vectors)(t);
    }
  }
}

// ---- packing ------------------------------------------------------------------------------------

template <class T>
struct LaneIndex;
template <>
struct LaneIndex<float> {
  using type = VecI;
};
template <>
struct LaneIndex<double> {
  using type = VecL;
};

// Transposes L rows of L lanes: log2(L) rounds, each of which interleaves row i with row i + L/2.
template <class T>
PAG_INLINE void vtranspose(Vec<T>* rows) {
  constexpr int L = kLanes<T>;
  typename LaneIndex<T>::type low, high;
  for (int i = 0; i < L; ++i) {
    low[i] = i / 2 + i % 2 * L;
    high[i] = L / 2 + i / 2 + i % 2 * L;
  }
  Vec<T> next[L];
  for (int round = 1; round < L; round *= 2) {
    PAG_UNROLL
    for (int i = 0; i < L / 2; ++i) {
      next[2 * i] = __builtin_shuffle(rows[i], rows[i + L / 2], low);
      next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + L / 2], high);
    }
    PAG_UNROLL
    for (int i = 0; i < L; ++i) rows[i] = next[i];
  }
}

// out[kk * width + j] = b[j * b_col + kk] for the L columns j of one vector, `columns` of which
// exist; the others become zero.
template <class T>
void pack_transposed(int64_t k, int columns, const T* b, int64_t b_col, int64_t width, T* out) {
  constexpr int L = kLanes<T>;
  for (int64_t kk = 0; kk < k; kk += L) {
    const int depth = static_cast<int>(k - kk < L ? k - kk : L);
    Vec<T> rows[L];
    PAG_UNROLL
    for (int j = 0; j < L; ++j)
      rows[j] = j < columns ? vload_lanes(b + j * b_col + kk, depth) : Vec<T>{};
    vtranspose<T>(rows);
    PAG_UNROLL
    for (int i = 0; i < L; ++i)
      if (i < depth) vstore(out + (kk + i) * width, rows[i]);
  }
}

template <class T>
void gemm_pack_b(int64_t k, int64_t n, const T* b, int64_t b_row, int64_t b_col, int panel,
                 T* out) {
  constexpr int L = kLanes<T>;
  if (b_col != 1) {
    for (int64_t j = 0; j < n; j += L)
      pack_transposed(k, static_cast<int>(n - j < L ? n - j : L), b + j * b_col, b_col, panel,
                      out + j / panel * panel * k + j % panel);
    return;
  }
  for (int64_t kk = 0; kk < k; ++kk) {  // whole rows of B, spread over the panels
    const T* from = b + kk * b_row;
    for (int64_t first = 0; first < n; first += panel) {
      T* to = out + first * k + kk * panel - first;
      const int64_t end = n - first < panel ? n : first + panel;
      int64_t j = first;
      for (; j + L <= end; j += L) vstore(to + j, vload(from + j));
      if (j < end) vstore(to + j, vload(from + j, static_cast<int>(end - j)));
    }
  }
}

template <class T, int R>
PAG_INLINE void pack_rows(int64_t m, int64_t k, const T* a, int64_t a_col, T* out) {
  const int64_t panels = m / R;
  const int rest = static_cast<int>(m % R);
  for (int64_t kk = 0; kk < k; ++kk) {  // whole lines of A are read, spread over the panels
    const T* from = a + kk * a_col;
    T* to = out + kk * R;
    for (int64_t p = 0; p < panels; ++p, from += R, to += k * R)
      __builtin_memcpy(to, from, R * sizeof(T));
    for (int i = 0; i < rest; ++i) to[i] = from[i];
  }
}

template <class T>
void gemm_pack_a(int64_t m, int64_t k, const T* a, int64_t a_col, int rows, T* out) {
  switch (rows) {
    case 1:
      return pack_rows<T, 1>(m, k, a, a_col, out);
    case 2:
      return pack_rows<T, 2>(m, k, a, a_col, out);
    case 3:
      return pack_rows<T, 3>(m, k, a, a_col, out);
    case 4:
      return pack_rows<T, 4>(m, k, a, a_col, out);
    case 5:
      return pack_rows<T, 5>(m, k, a, a_col, out);
    default:
      return pack_rows<T, 6>(m, k, a, a_col, out);
  }
}

// ---- thin products ------------------------------------------------------------------------------

template <class T>
PAG_INLINE T start_value(GemmStart start, const T* bias, const T* c, int64_t i, int64_t j) {
  switch (start) {
    case GemmStart::kC:
      return *c;
    case GemmStart::kRowBias:
      return bias[i];
    case GemmStart::kColumnBias:
      return bias[j];
    default:
      return 0;
  }
}

// M rows of A and N columns of B, vectors along k.
template <class T, int M, int N>
PAG_INLINE void dot_tile(int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_col,
                         T (&sums)[M][N]) {
  constexpr int L = kLanes<T>;
  Vec<T> acc[M][N] = {};
  const auto step = [&](int64_t kk, int lanes) __attribute__((always_inline)) {
    Vec<T> bv[N];
    PAG_UNROLL
    for (int j = 0; j < N; ++j) bv[j] = vload_lanes(b + j * b_col + kk, lanes);
    PAG_UNROLL
    for (int i = 0; i < M; ++i) {
      const Vec<T> av = vload_lanes(a + i * a_row + kk, lanes);
      PAG_UNROLL
      for (int j = 0; j < N; ++j) acc[i][j] = vfma(av, bv[j], acc[i][j]);
    }
  };
  int64_t kk = 0;
  for (; kk + L <= k; kk += L) step(kk, L);
  if (kk < k) step(kk, static_cast<int>(k - kk));
  PAG_UNROLL
  for (int i = 0; i < M; ++i) PAG_UNROLL
  for (int j = 0; j < N; ++j) sums[i][j] = vsum<T>(acc[i][j]);
}

template <class T, int M>
void dot_rows(int64_t n, int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_col, T* c,
              int64_t c_row, int64_t c_col, GemmStart start, const T* bias) {
  constexpr int N = kDotColumns;
  const auto finish = [&](int64_t j, int i, T sum) __attribute__((always_inline)) {
    T* to = c + i * c_row + j * c_col;
    *to = start_value(start, bias, to, i, j) + sum;
  };
  int64_t j = 0;
  for (; j + N <= n; j += N) {
    T sums[M][N];
    dot_tile<T, M, N>(k, a, a_row, b + j * b_col, b_col, sums);
    for (int i = 0; i < M; ++i)
      for (int u = 0; u < N; ++u) finish(j + u, i, sums[i][u]);
  }
  for (; j < n; ++j) {
    T sums[M][1];
    dot_tile<T, M, 1>(k, a, a_row, b + j * b_col, b_col, sums);
    for (int i = 0; i < M; ++i) finish(j, i, sums[i][0]);
  }
}

template <class T>
void gemm_dot(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_col,
              T* c, int64_t c_row, int64_t c_col, GemmStart start, const T* bias) {
  switch (m) {
    case 1:
      return dot_rows<T, 1>(n, k, a, a_row, b, b_col, c, c_row, c_col, start, bias);
    case 2:
      return dot_rows<T, 2>(n, k, a, a_row, b, b_col, c, c_row, c_col, start, bias);
    case 3:
      return dot_rows<T, 3>(n, k, a, a_row, b, b_col, c, c_row, c_col, start, bias);
    default:
      return dot_rows<T, 4>(n, k, a, a_row, b, b_col, c, c_row, c_col, start, bias);
  }
}

// U rows of B at once, so that c passes through registers once for all of them. With more than
// four, rows that lie a multiple of 4 KB apart drive each other out of the L1 cache.
template <class T, int U>
PAG_INLINE void axpy_rows(int64_t n, const T* a, int64_t a_col, const T* b, int64_t b_row, T* c) {
  constexpr int L = kLanes<T>;
  Vec<T> av[U];
  PAG_UNROLL
  for (int u = 0; u < U; ++u) av[u] = vset(a[u * a_col]);
  for (int64_t j = 0; j < n; j += L) {
    const int lanes = static_cast<int>(n - j < L ? n - j : L);
    Vec<T> sum = vload_lanes(c + j, lanes);
    PAG_UNROLL
    for (int u = 0; u < U; ++u) sum = vfma(av[u], vload_lanes(b + u * b_row + j, lanes), sum);
    vstore_lanes(c + j, sum, lanes);
  }
}

template <class T>
void gemm_axpy(int64_t n, int64_t k, const T* a, int64_t a_col, const T* b, int64_t b_row, T* c) {
  int64_t kk = 0;
  for (; kk + 4 <= k; kk += 4) axpy_rows<T, 4>(n, a + kk * a_col, a_col, b + kk * b_row, b_row, c);
  for (; kk < k; ++kk) axpy_rows<T, 1>(n, a + kk * a_col, a_col, b + kk * b_row, b_row, c);
}

}  // namespace

#define PAG_GEMM_LOOPS(T)                                                \
  {kTileRows,      kTileVectors * kLanes<T>, kLanes<T>,   gemm_block<T>, \
   gemm_pack_b<T>, gemm_pack_a<T>,           gemm_dot<T>, gemm_axpy<T>}
