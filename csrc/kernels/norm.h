// Normalisation to mean 0 and variance 1 per channel of an array seen as (outer, channels, inner):
// batch norm is (N, C, H*W), layer norm (1, rows, features).
#pragma once
#include <cstdint>

namespace pag {

struct NormShape {
  int64_t outer, channels, inner;
};

// y = (x - mean) / sqrt(var + eps); mean and var (biased) by channel. False if there is no memory.
template <class T>
bool normalize(const NormShape& shape, double eps, const T* x, T* y, T* mean, T* var);

// The gradient of x for the gradient g of y: with r = (var + eps)^(-1/2), m the mean over a channel
// and h = (x - mean) r: r (g - m(g) - h m(g h)). False if there is no memory.
template <class T>
bool normalize_grad(const NormShape& shape, double eps, const T* g, const T* x, const T* mean,
                    const T* var, T* out);

}  // namespace pag
