// Matrix product of strided operands.
#pragma once
#include <cstdint>

#include "isa/gemm.h"
#include "kernels/epilogue.h"

namespace pag {

template <class T>
struct Matrix {
  const T* data;
  int64_t row, col;  // strides in elements; one of them is 1
};

// C (m, n) = start + A (m, k) . B (k, n); rows of C are c_row elements apart.
template <class T>
struct Gemm {
  int64_t m, n, k;
  Matrix<T> a, b;
  T* c;
  int64_t c_row;
  GemmStart start = GemmStart::kZero;
  const T* bias = nullptr;  // of m or n elements, as `start` says
  const Epilogue* epilogue = nullptr;
  const T* packed_b = nullptr;  // of pack_weights, if that was called before
};

constexpr int kMaxBatchDims = 32;

// Steps, in elements, from one product to the next along each batch dimension. The results are
// neighbours: product number i of C-order writes at c + i * c_item. All share one bias.
struct GemmBatch {
  int ndim = 0;
  int64_t shape[kMaxBatchDims];
  int64_t a_stride[kMaxBatchDims], b_stride[kMaxBatchDims];
  int64_t c_item = 0;
};

// Throw std::bad_alloc where there is no memory for packing; never from a worker thread.
template <class T>
void gemm(const Gemm<T>& g);
template <class T>
void gemm(const Gemm<T>& first, const GemmBatch& batch);

// B as a product like g packs it, for any number of products; the results are the same bits. So
// many elements; 0 where it packs none, or where its rows are so many that it does not count.
template <class T>
int64_t packed_weights_size(const Gemm<T>& g);
template <class T>
void pack_weights(const Gemm<T>& g, T* packed);

}  // namespace pag
