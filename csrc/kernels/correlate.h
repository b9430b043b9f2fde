// The implicit matrix product behind conv2d and its input gradient.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/epilogue.h"
#include "kernels/patches.h"

namespace pag {

// out[n, g, m, y, x] = bias[g, m] + sum over c, r, t of
//     weights[g, m, c, r, t] * x[n, g, c, row(y, r), column(x, t)],
// r and t counting the taps that the axes keep.
template <class T>
struct Correlation {
  int64_t images, groups, channels, outputs;  // channels and outputs of one group
  Axis rows, cols;
  const T* x;        // (images, groups, channels, rows.in, cols.in)
  const T* weights;  // (groups, outputs, channels * taps)
  const T* bias;     // (groups, outputs) or null
  T* out;            // (images, groups, outputs) planes, in which pixels have these strides:
  int64_t out_plane, out_row, out_col;
  int64_t row_phase = 0;               // equal in parts that write other columns of the same rows
  const Epilogue* epilogue = nullptr;  // only of whole planes, one after the other
};

// All of them in one parallel region. Throws std::bad_alloc.
template <class T>
void correlate(const std::vector<Correlation<T>>& parts);

}  // namespace pag
