// The columns of a convolution as a matrix (im2col), and its adjoint (col2im).
#pragma once
#include <cstdint>

namespace pag {

// Windows over planes; of the pairs, [0] concerns rows and [1] columns of a plane.
struct Windows {
  int64_t planes;  // batch * channels
  int64_t height, width;
  int64_t kernel[2], dilation[2], padding[2], stride[2];
  int64_t count[2];  // windows along either dimension

  int64_t taps() const { return kernel[0] * kernel[1]; }
  int64_t columns() const { return count[0] * count[1]; }
};

// x (planes, height, width) -> out (planes, taps, columns), zero where a window leaves the plane.
template <class T>
void unfold(const Windows& w, const T* x, T* out);

// x (planes, taps, columns) -> out (planes, height, width): added up at the places that the values
// come from, tap by tap.
template <class T>
void fold(const Windows& w, const T* x, T* out);

}  // namespace pag
