// Grouped convolutions with few channels a group, depthwise above all, with vectors that run along
// groups.
#pragma once
#include "kernels/conv_pass.h"

namespace pag {

// Whether groups fill most lanes of vectors, and have few enough weights to stay in a cache. Copies
// of images stay small: zeros beside them are no more than they are.
template <class T>
bool fills_lanes(const Conv2d& g);

// Whether conv_groups is expected to be faster than the forms that go group by group.
template <class T>
bool prefers_groups(const ConvPass<T>& p);

// Throws std::bad_alloc.
template <class T>
void conv_groups(const ConvPass<T>& p);

// The same for the weight gradient.
template <class T>
bool weight_grad_prefers_groups(const Conv2d& g);
template <class T>
void weight_grad_groups(const Conv2d& g, const T* dy, const T* x, T* dw);

}  // namespace pag
