// Two-dimensional convolution (a correlation, as the field uses the word) and its two gradients.
//
// x (n, groups * c, h, w), weights (groups * o, c, kh, kw), output (n, groups * o, oh, ow), all
// C-contiguous. The three are one family: each is linear in both its operands, and the gradients of
// any of them are the other two.
#pragma once
#include <cstdint>

#include "kernels/epilogue.h"

namespace pag {

struct Conv2d {
  int64_t n, groups;
  int64_t c, o;  // input and output channels of one group
  int64_t h, w, kh, kw, oh, ow;
  int64_t stride[2], padding[2], dilation[2];
  const Epilogue* epilogue = nullptr;  // of conv2d and conv2d_input_grad

  // 1x1 kernels that meet inputs at most once: matrix products,
  bool samples() const { return kh == 1 && kw == 1 && !padding[0] && !padding[1]; }
  // or meet each of them.
  bool pointwise() const { return samples() && stride[0] == 1 && stride[1] == 1; }
  // 3x3 kernels that move a pixel at a time.
  bool small_steps_3x3() const {
    return kh == 3 && kw == 3 && stride[0] == 1 && stride[1] == 1 && dilation[0] == 1 &&
           dilation[1] == 1;
  }
};

// What conv2d makes of its weights before it multiplies; the results are the same bits if that is
// done once for many calls.
enum class WeightForm : int { kPlain, kTransformed, kPacked };  // kTransformed: Winograd's

template <class T>
struct ReadyWeights {
  WeightForm form = WeightForm::kPlain;
  const T* data = nullptr;
};

// All throw std::bad_alloc where there is no working memory; never from a worker thread.

// y = conv(x, weights) + bias, of groups * o elements or null. `ready` are the same weights.
template <class T>
void conv2d(const Conv2d& g, const T* x, const T* weights, const T* bias, T* y,
            const ReadyWeights<T>& ready = {});

// The form that conv2d would make now, its elements (0 where to keep it does not pay), and the
// weights in it.
template <class T>
WeightForm conv2d_weight_form(const Conv2d& g);
template <class T>
int64_t conv2d_weights_size(const Conv2d& g, WeightForm form);
template <class T>
void conv2d_make_ready(const Conv2d& g, WeightForm form, const T* weights, T* ready);

// dx: the adjoint of conv2d in x, applied to dy.
template <class T>
void conv2d_input_grad(const Conv2d& g, const T* dy, const T* weights, T* dx);

// dw: the adjoint of conv2d in the weights, applied to dy. Added up over images in a fixed order.
template <class T>
void conv2d_weight_grad(const Conv2d& g, const T* dy, const T* x, T* dw);

}  // namespace pag
