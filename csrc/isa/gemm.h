// Interface of the matrix-product loops (isa/gemm.inl), built once per instruction set.
#pragma once
#include <stdint.h>

namespace pag {

// What the product is added to: nothing (C is not read), C itself, bias[i] or bias[j].
enum class GemmStart : int { kZero, kC, kRowBias, kColumnBias };

// C (m, n) = start + A (m, k) . B (k, n) on operands ready for the microkernel. Strides are in
// elements; C has unit column stride.
//
// A is broadcast element by element, from any strides. Row panel p (`rows` of them, fewer in the
// last) begins at a + p * a_panel.
// B is read in vectors. Column panel p (`columns` wide, a whole number of vectors) begins at
// b + p * b_panel, its rows b_row apart. The last panel is read to a whole number of vectors.
template <class T>
struct GemmBlock {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_col, a_panel;
  const T* b;
  int64_t b_row, b_panel;
  T* c;
  int64_t c_row;
  GemmStart start;
  const T* bias;
  int rows, columns;
};

template <class T>
struct GemmLoops {
  // The register tile and the number of elements in a vector.
  int tile_rows, tile_columns, lanes;

  void (*block)(const GemmBlock<T>& g);

  // Column panels of B (k, n), `panel` wide (a whole number of vectors), one after the other:
  // out[p * k * panel + kk * panel + j] = b[kk * b_row + (p * panel + j) * b_col]. The last vector
  // is filled with zeros; vectors after it are left as they are. b_row or b_col is 1.
  void (*pack_b)(int64_t k, int64_t n, const T* b, int64_t b_row, int64_t b_col, int panel, T* out);

  // out[p * k * rows + kk * rows + i] = a[(p * rows + i) + kk * a_col] for a transposed A (m, k).
  void (*pack_a)(int64_t m, int64_t k, const T* a, int64_t a_col, int rows, T* out);

  // Few rows (m <= 4) times columns whose elements are neighbours in memory, as dot products:
  // c[i * c_row + j * c_col] = start + sum over kk of a[i * a_row + kk] * b[j * b_col + kk].
  void (*dot)(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_col,
              T* c, int64_t c_row, int64_t c_col, GemmStart start, const T* bias);

  // One row times rows of B: c[j] += sum over kk of a[kk * a_col] * b[kk * b_row + j].
  void (*axpy)(int64_t n, int64_t k, const T* a, int64_t a_col, const T* b, int64_t b_row, T* c);
};

}  // namespace pag
