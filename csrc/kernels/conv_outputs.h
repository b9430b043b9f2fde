// Convolution and its input gradient with vectors that run along output channels.
#pragma once
#include "kernels/conv_pass.h"

namespace pag {

// The time that conv_outputs takes, in cycles an output pixel of a core that multiplies one vector
// at a time.
template <class T>
double outputs_cost(const ConvPass<T>& p);

// Throws std::bad_alloc.
template <class T>
void conv_outputs(const ConvPass<T>& p);

// All weights as they are packed, which serve any number of calls: so many elements.
template <class T>
int64_t outputs_weights_size(const ConvPass<T>& p);
template <class T>
void pack_outputs_weights(const ConvPass<T>& p, T* packed);

}  // namespace pag
