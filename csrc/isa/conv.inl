// Convolution: the microkernel of isa/gemm.inl with B read from images, and the column matrix.
#pragma once
#include "isa/conv.h"
#include "isa/gemm.inl"

namespace {

using pag::ConvDirect;
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

// out[i] = x[i * step] for i < n; up to a vector is written past them.
template <class T>
PAG_INLINE void gather(int64_t n, const T* x, int64_t step, T* out) {
  constexpr int L = kLanes<T>;
  if (step == 1) {
    for (int64_t i = 0; i < n; i += L)
      vstore(out + i, vload_lanes(x + i, static_cast<int>(n - i < L ? n - i : L)));
  } else if (step == 2) {
    typename LaneIndex<T>::type even;
    for (int l = 0; l < L; ++l) even[l] = 2 * l;
    for (int64_t i = 0; i < n; i += L) {
      const int64_t span = 2 * (n - i) - 1;  // elements up to the last that is wanted
      const Vec<T> low = vload_lanes(x + 2 * i, static_cast<int>(span < L ? span : L));
      const Vec<T> high =
          span <= L ? Vec<T>{}
                    : vload_lanes(x + 2 * i + L, static_cast<int>(span < 2 * L ? span - L : L));
      vstore(out + i, Vec<T>(__builtin_shuffle(low, high, even)));
    }
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = x[i * step];
  }
}

template <class T>
void conv_pad_rows(int64_t top, int64_t rows, int64_t bottom, const T* x, int64_t x_row,
                   int64_t step, const PaddedPiece* slot, int64_t slots, int64_t width, T* out,
                   int64_t out_row) {
  constexpr int L = kLanes<T>;
  T* const body = out + top * out_row;
  T* const last = body + rows * out_row;
  const auto zero_rows = [&](T* from, int64_t count) __attribute__((always_inline)) {
    for (int64_t y = 0; y < count; ++y, from += out_row)
      for (int64_t i = 0; i < slots * width; i += L) vstore(from + i, Vec<T>{});
  };
  zero_rows(out, top);
  if (step == 1) {  // one slot; vectors one below the other
    const int64_t begin = slot[0].left, end = begin + slot[0].count;
    // From right to left: what is written past a row is overwritten by the next one's first vector.
    for (int64_t i = (width - 1) / L * L; i >= 0; i -= L) {
      const T* from = x + slot[0].from - begin + i;
      T* to = body + i;
      if (i >= begin && i + L <= end) {
        for (int64_t y = 0; y < rows; ++y, from += x_row, to += out_row) vstore(to, vload(from));
      } else if (i >= end || i + L <= begin) {
        for (int64_t y = 0; y < rows; ++y, to += out_row) vstore(to, Vec<T>{});
      } else {
        const int low = static_cast<int>(begin > i ? begin - i : 0);
        const int high = static_cast<int>(end - i < L ? end - i : L);
        for (int64_t y = 0; y < rows; ++y, from += x_row, to += out_row)
          vstore(to, vload_range(from, low, high));
      }
    }
  } else {
    T* to_row = body;
    for (int64_t y = 0; y < rows; ++y, x += x_row, to_row += out_row)
      for (int64_t p = 0; p < slots; ++p) {  // what is written too far is overwritten
        T* const to = to_row + p * width;
        for (int64_t i = 0; i < slot[p].left; i += L) vstore(to + i, Vec<T>{});
        gather(slot[p].count, x + slot[p].from, step, to + slot[p].left);
        for (int64_t i = slot[p].left + slot[p].count; i < width; i += L) vstore(to + i, Vec<T>{});
      }
  }
  zero_rows(last, bottom);
}

}  // namespace

#define PAG_CONV_LOOPS(T) \
  {conv_direct<T>, conv_im2col<T>, conv_tap_sums<T>, conv_transpose<T>, conv_pad_rows<T>}
