// Max and average pooling over C-contiguous planes (N * C, height, width).
#pragma once
#include <cstdint>

#include "isa/table.h"
#include "kernels/epilogue.h"

namespace pag {

// Windows along a dimension; with `ceil` also a last one that overhangs, if it starts inside the
// input or its left padding. May be negative or zero: there is none.
int64_t pooled_size(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                    bool ceil);

// Largest values, and as mask the winning tap, row * kernel width + column, in uint8_t (kernels of
// up to 256 taps) or int32_t. The first of equal values wins; NaN does, the last one, as in
// PyTorch. Throws std::bad_alloc.
template <class T, class Mask>
void max_pool2d(const T* x, int64_t planes, const PoolShape& shape, T* out, Mask* mask);

// Masks may hold any value: what is no tap or falls outside of the plane counts for nothing.
//
// out (planes, height, width) = 0, then g is added at the winners in order.
template <class T, class Mask>
void max_pool2d_scatter(const T* g, const Mask* mask, int64_t planes, const PoolShape& shape,
                        T* out, const Epilogue* epilogue = nullptr);
// The values of x at the winners.
template <class T, class Mask>
void max_pool2d_gather(const T* x, const Mask* mask, int64_t planes, const PoolShape& shape,
                       T* out);
// The winners' places in their plane.
template <class Mask>
void max_pool2d_indices(const Mask* mask, int64_t planes, const PoolShape& shape, int64_t* out);

// Largest values of separable windows, which lie inside the plane and have no factors, and their
// places in the plane; of equal values and of NaNs as above. Planes have less than 2^31 values.
// Throws std::bad_alloc.
template <class T>
void max_pool2d_windows(const T* x, int64_t planes, int64_t height, int64_t width,
                        const PoolWindows& rows, const PoolWindows& columns, T* out,
                        int64_t* index);

// Sums over separable windows times the factors of row and column. Throws std::bad_alloc.
template <class T>
void avg_pool2d(const T* x, int64_t planes, int64_t height, int64_t width, const PoolWindows& rows,
                const PoolWindows& columns, T* out);
// The adjoint.
template <class T>
void avg_pool2d_grad(const T* g, int64_t planes, int64_t height, int64_t width,
                     const PoolWindows& rows, const PoolWindows& columns, T* out);

}  // namespace pag
