// Interface of the loops whose vectors run along groups (isa/conv_groups.inl), built once per
// instruction set.
//
// Pixels are vectors: the values of as many groups. Nothing is wasted on the edges of small images,
// on strides or on dilation.
#pragma once
#include <stdint.h>

#include "isa/conv.h"

namespace pag {

// For p < runs, q < count, lane by lane:
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

template <class T>
struct ConvGroupLoops {
  void (*products)(const GroupProducts<T>& g);

  // out[places[i] + l] = x[l * x_lane + i] for i < n and l < lanes; the other lanes are zero.
  void (*to_lanes)(int64_t n, int lanes, const T* x, int64_t x_lane, const int64_t* places, T* out);
};

}  // namespace pag
