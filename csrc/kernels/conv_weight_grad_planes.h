// The weight gradient of convolutions with few channels, such as depthwise ones, plane by plane.
#pragma once
#include "kernels/conv.h"

namespace pag {

// Whether the plane loops are the faster ones.
template <class T>
bool weight_grad_prefers_planes(const Conv2d& g);

// As `conv2d_weight_grad`, where nothing is empty.
template <class T>
void weight_grad_planes(const Conv2d& g, const T* dy, const T* x, T* dw);

}  // namespace pag
