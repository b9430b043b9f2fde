// Interface of the convolution loops (isa/conv.inl), built once per instruction set.
//
// Images come as copies with their borders (kernels/patches.h), where the value that weight k meets
// at an output pixel lies at offsets[k] from the pixel's own position, for any stride and dilation.
#pragma once
#include <stdint.h>

#include "isa/gemm.h"

namespace pag {

// Neighbouring output pixels of one row: their position in the copied image and in the output.
struct PixelRun {
  int64_t from, to, length;
};

// One phase of a padded image row.
struct PaddedPiece {
  int64_t left, from, count;
};

// c[i * c_row + run.to + p] = start + sum over kk of a[i * a_row + kk] * x[run.from + p +
// offsets[kk]] for i < m, kk < k and the pixels p of every run, none longer than a vector. Up to a
// vector is read past a run's end.
template <class T>
struct ConvDirect {
  int64_t m, k;
  const T* a;
  int64_t a_row;
  const T* x;
  const int64_t* offsets;
  const PixelRun* runs;
  int64_t run_count;
  T* c;
  int64_t c_row;
  GemmStart start;  // kZero, kC or kRowBias
  const T* bias;
  int rows;  // of a register tile
};

// Where a row of a product finds its elements in x, and where it is written; where a term of the
// sums lies in x, and its row of B.
struct GatherRow {
  int64_t from, to;
};
struct GatherTerm {
  int64_t x, b;
};

// c[rows[i].to * c_row + j] = start + sum over terms of x[rows[i].from + term.x] * b[term.b + j]
// for i < m, j < n, where n is at most a tile's columns. B is read to a whole number of vectors.
template <class T>
struct ConvGather {
  int64_t m, n, k;
  const T* x;
  const GatherRow* rows;
  const GatherTerm* terms;
  const T* b;
  T* c;
  int64_t c_row;
  GemmStart start;  // kZero, kC or kColumnBias
  const T* bias;
};

template <class T>
struct ConvLoops {
  void (*direct)(const ConvDirect<T>& d);
  void (*gather)(const ConvGather<T>& g);

  // Rows kk of the column matrix, its pixels counted from the first run's:
  // out[kk * out_row + run.to - runs[0].to + p] = x[run.from + p + offsets[kk]]. Runs follow each
  // other; up to a vector is read and written past the last.
  void (*im2col)(int64_t k, const int64_t* offsets, const T* x, const PixelRun* runs,
                 int64_t run_count, T* out, int64_t out_row);

  // out[kk * out_step] += sum over pixels of g[run.to + p] * x[run.from + p + offsets[kk]], runs as
  // in `direct`.
  void (*tap_sums)(int64_t k, const int64_t* offsets, const T* x, const T* g, const PixelRun* runs,
                   int64_t run_count, T* out, int64_t out_step);

  // out[j * out_row + i] = x[i * x_row + j] for i < rows, j < cols.
  void (*transpose)(int64_t rows, int64_t cols, const T* x, int64_t x_row, T* out, int64_t out_row);

  // Rows of a padded image: `top` rows of zeros, `rows` rows and `bottom` rows of zeros, out_row
  // apart. A row is `slots` pieces of `width` elements each: piece p is slot[p].left zeros,
  // x[slot[p].from + i * step] for i < slot[p].count, and zeros. Input rows are x_row apart. Up to
  // a vector is written past the last piece.
  void (*pad_rows)(int64_t top, int64_t rows, int64_t bottom, const T* x, int64_t x_row,
                   int64_t step, const PaddedPiece* slot, int64_t slots, int64_t width, T* out,
                   int64_t out_row);

  // out[i * step] = x[i] for i < n; what lies between is not touched.
  void (*scatter)(int64_t n, const T* x, int64_t step, T* out);
};

}  // namespace pag
