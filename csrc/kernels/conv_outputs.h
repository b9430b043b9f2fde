// Convolution and its input gradient with vectors that run along output channels.
#pragma once
#include <cstdint>

#include "kernels/conv.h"

namespace pag {

// Both are out[n, g, m, y, x] = bias[g, m] + sum over channels and taps of weight * input; in the
// gradient the channels are conv2d's outputs, and m its channels.
template <class T>
struct OutputsConv {
  const Conv2d& g;
  bool gradient;
  const T* x;
  const T* weights;
  const T* bias;  // or null
  T* out;
  const T* packed = nullptr;  // of pack_outputs_weights, if that was called before

  int64_t channels() const { return gradient ? g.o : g.c; }
  int64_t outputs() const { return gradient ? g.c : g.o; }
};

// Whether conv_outputs is expected to be faster than correlate.
template <class T>
bool prefers_outputs(const OutputsConv<T>& p);

// Throws std::bad_alloc.
template <class T>
void conv_outputs(const OutputsConv<T>& p);

// All weights as they are packed, which serve any number of calls: so many elements.
template <class T>
int64_t outputs_weights_size(const OutputsConv<T>& p);
template <class T>
void pack_outputs_weights(const OutputsConv<T>& p, T* packed);

}  // namespace pag
