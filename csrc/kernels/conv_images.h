// Convolution and its input gradient with vectors that run along images.
#pragma once
#include "kernels/conv_pass.h"

namespace pag {

// The time that conv_images takes, in cycles an output pixel of a core that multiplies one vector
// at a time; infinite where it does not apply.
template <class T>
double images_cost(const ConvPass<T>& p);

// Throws std::bad_alloc.
template <class T>
void conv_images(const ConvPass<T>& p);

}  // namespace pag
