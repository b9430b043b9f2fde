// Interface of the loops in which a pixel is a vector, the lanes of which are images or groups
// (isa/conv_lanes.inl), built once per instruction set.
//
// Nothing is lost at the ends of rows, whatever sizes, strides and dilations are.
#pragma once
#include <stdint.h>

#include "isa/conv.h"

namespace pag {

// Every lane has weights of its own. For p < runs, q < count, lane by lane:
//   out[p * out_run + q * out_step] = start
//       + sum over k terms of x[p * x_run + q * x_step + term.x] * b[term.b]
// where start is a vector, or null: then the sums are added to `out`.
template <class T>
struct GroupProducts {
  int64_t runs, count, k;
  const T* x;
  int64_t x_run, x_step;
  const GatherTerm* terms;
  const T* b;
  T* out;
  int64_t out_run, out_step;
  const T* start;
};

// All lanes have the same weights. For i < m and n pixels, lane by lane:
//   out[i * out_row + pixel.to] = bias[i] + sum over channels c and k terms of
//       w[i * w_row + c * w_channel + term.b] * x[pixel.from + c * x_channel + term.x]
// where the bias may be null.
template <class T>
struct ImageProducts {
  int64_t m, n, channels, k;
  const T* x;
  int64_t x_channel;
  const GatherRow* pixels;
  const GatherTerm* terms;
  const T* w;
  int64_t w_row, w_channel;
  T* out;
  int64_t out_row;
  const T* bias;
};

template <class T>
struct ConvLaneLoops {
  void (*group_products)(const GroupProducts<T>& g);
  void (*image_products)(const ImageProducts<T>& g);

  // out[places[i] + l] = x[l * x_lane + i] for i < n and l < lanes; the other lanes are zero.
  void (*to_lanes)(int64_t n, int lanes, const T* x, int64_t x_lane, const int64_t* places, T* out);
};

}  // namespace pag
