// Normalisation to mean 0 and variance 1 of an array seen as (outer, channels, inner), with a
// weight and a bias for each channel: batch, layer, group, instance and RMS norm.
#pragma once
#include <cstdint>

#include "kernels/epilogue.h"

namespace pag {

// Statistics are taken by channel, over outer and inner, if groups is 0; else by (outer, group),
// over the channels / groups channels of the group and inner.
struct NormShape {
  int64_t outer, channels, inner;
  int64_t groups;
  bool centred;        // else the mean counts as 0, and the variance is the mean square
  bool known = false;  // `normalize` is handed mean and var; only where they are taken by channel
  const Epilogue* epilogue = nullptr;  // of `normalize`

  int64_t statistics() const { return groups ? outer * groups : channels; }
  int64_t values() const {  // that one mean is taken over
    return groups ? channels / groups * inner : outer * inner;
  }
};

// y = (x - mean) / sqrt(var + eps) * weight + bias; fills mean and var (biased), statistics() each,
// unless they are known.
// bias may be null, and with it weight. False if there is no memory.
template <class T>
bool normalize(const NormShape& shape, double eps, const T* x, const T* weight, const T* bias, T* y,
               T* mean, T* var);

// For the gradient g of y: with r = (var + eps)^(-1/2), m the mean over the values of a statistic,
// h = (x - mean) r and v = g weight: out = r (v - m(v) - h m(v h)), without m(v) where the mean is
// not taken; the sums over outer and inner of g h and of g. weight may be null, and with it the
// sums. False if there is no memory.
template <class T>
bool normalize_grad(const NormShape& shape, double eps, const T* g, const T* x, const T* weight,
                    const T* mean, const T* var, T* out, T* weight_sum, T* bias_sum);

}  // namespace pag
