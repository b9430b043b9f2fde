// Batch norm: statistics by channel, which lies in `outer` runs; see norm.h.
#pragma once
#include "kernels/norm.h"

namespace pag {

template <class T>
bool normalize_batch(const NormShape& shape, double eps, const T* x, const T* weight, const T* bias,
                     T* y, T* mean, T* var);
template <class T>
bool normalize_batch_grad(const NormShape& shape, double eps, const T* g, const T* x,
                          const T* weight, const T* mean, const T* var, T* out, T* weight_sum,
                          T* bias_sum);

}  // namespace pag
