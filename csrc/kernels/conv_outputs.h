// Convolution and its input gradient with vectors that run along output channels.
#pragma once
#include "kernels/conv_pass.h"

namespace pag {

// Whether conv_outputs is expected to be faster than correlate.
template <class T>
bool prefers_outputs(const ConvPass<T>& p);

// Throws std::bad_alloc.
template <class T>
void conv_outputs(const ConvPass<T>& p);

}  // namespace pag
