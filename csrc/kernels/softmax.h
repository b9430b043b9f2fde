// Softmax and log-softmax over the middle dimension of C-contiguous (outer, n, inner) arrays.
#pragma once
#include <cstdint>

namespace pag {

// y = exp(x - max) / sum, or its logarithm. A NaN, +inf, or a row of -inf alone gives a row of NaN.
template <class T>
void softmax(bool logarithm, const T* x, int64_t outer, int64_t n, int64_t inner, T* y);

// From the result y: y (g - sum(g y)); for the logarithm g - exp(y) sum(g).
template <class T>
void softmax_grad(bool logarithm, const T* g, const T* y, int64_t outer, int64_t n, int64_t inner,
                  T* out);

}  // namespace pag
