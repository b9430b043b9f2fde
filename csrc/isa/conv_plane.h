// Interface of the plane loops (isa/conv_plane.inl), built once per instruction set.
//
// Where a correlation has few output channels (depthwise, above all), a loaded input cannot serve
// many of them, and reading inputs would be the limit. So each serves the output rows above and
// below each other instead: a tile of them stays in registers, and taps come as columns.
#pragma once
#include <stdint.h>

namespace pag {

// Taps whose inputs lie one below the other: `count` is 1, 2, 3 or 5, and the first's input lies
// at `offset` from the output pixel's own position in the copied image (kernels/patches.h).
struct TapColumn {
  int64_t offset, count;
};

// Rows that the loops may read past the last that is needed, and vectors past a row's end.
constexpr int kPlaneRowSlack = 1, kPlaneVectorSlack = 2;

// out[y * out_row + i] = start + sum over taps of w[tap] * x[y * x_row + i + where it lies].
template <class T>
struct PlaneCorrelation {
  int64_t rows, columns;
  const T* x;
  int64_t x_row;
  const TapColumn* taps;
  int64_t tap_columns;
  const T* w;  // of the taps, column after column
  T* out;
  int64_t out_row;
  T start;
};

// For every tap, sums[tap * lanes + l] += the products of g with the inputs of the tap, over the
// plane's pixels, spread over the lanes.
template <class T>
struct PlaneProducts {
  int64_t rows, columns;
  const T* x;
  int64_t x_row;
  const TapColumn* taps;
  int64_t tap_columns;
  const T* g;
  int64_t g_row;
  T* sums;
};

template <class T>
struct ConvPlaneLoops {
  int lanes;

  void (*correlate)(const PlaneCorrelation<T>& p);
  void (*add_products)(const PlaneProducts<T>& p);

  // out[i] = the sum of the lanes sums[i * lanes, ...), in a fixed order.
  void (*sum_lanes)(int64_t n, const T* sums, T* out);

  // out[2 * i] = even[i] and out[2 * i + 1] = odd[i], n elements in all.
  void (*weave)(int64_t n, const T* even, const T* odd, T* out);
};

}  // namespace pag
