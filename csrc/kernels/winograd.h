// Winograd's fast correlation with 3x3 weights, float32 only.
#pragma once
#include <cstdint>

#include "kernels/epilogue.h"

namespace pag {

// out[n, g, m, y, x] = bias[g, m] + sum over c, r, s of
//     weight(g, m, c, r, s) * x[n, g, c, y + r - pad[0], x + s - pad[1]],
// inputs outside the image being zero; a negative pad crops it.
struct WinogradConv {
  int64_t images, groups, channels, outputs;  // channels and outputs of one group
  int64_t in[2], out[2], pad[2];              // height and width
  const float* x;                             // (images, groups, channels, in[0], in[1])
  const float* weights;  // 9 taps at the steps below, in reverse order if `rotated`
  int64_t group_step, output_step, channel_step;
  bool rotated;
  const float* bias;  // (groups, outputs) or null
  float* y;           // (images, groups, outputs, out[0], out[1])
  const Epilogue* epilogue = nullptr;
  const float* transformed = nullptr;  // of winograd_weights, if that was called before
};

// Whether `winograd` is allowed, and expected to be faster than `correlate`. It is less exact (an
// rms error about 2 to 4 times as large), and an infinity makes NaN of outputs next to those it
// reaches.
bool winograd_wins(const WinogradConv& p);

// Working memory in bytes: for transformed weights, 4 times as large as the weights but at most 12
// MB in all, or else 144 a channel and output of its task in each thread; and in each thread, 9.3
// KB a channel and 0.5 MB. Throws std::bad_alloc.
void winograd(const WinogradConv& p);

// The transformed weights, which serve any number of calls: so many elements, 0 where to keep them
// does not pay. The results are the same bits as without them.
int64_t winograd_weights_size(const WinogradConv& p);
void winograd_weights(const WinogradConv& p, float* transformed);

// The weight gradient of such a correlation, of y's gradient `dy` and x: the fields of p that speak
// of weights, bias and y are not used. dw (groups, outputs, channels, 3, 3).
bool winograd_weight_grad_wins(const WinogradConv& p);

// Working memory in bytes: 4 MB for the sums of the chunks of tiles, and 1.2 MB in each thread.
// Throws std::bad_alloc.
void winograd_weight_grad(const WinogradConv& p, const float* dy, float* dw);

bool winograd_allowed();
void allow_winograd(bool allowed);

}  // namespace pag
