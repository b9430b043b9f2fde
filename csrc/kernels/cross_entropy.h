// Cross-entropy of softmax(x) against class numbers; x is C-contiguous (outer, n, inner), n
// classes.
//
// With weights w (1 without), smoothing s and a divisor D, the loss of a sample of class t is
//   pull (lse - x_t) + spread sum_c w_c (lse - x_c),  pull = (1 - s) w_t / D,  spread = s / (n D),
// lse = top + log(total), top = max x_c, total = sum_c exp(x_c - top). Its gradient is
//   (pull + spread sum_c w_c) exp(x_c - top) / total - pull [c = t] - spread w_c.
// Both are 0 for an ignored sample.
#pragma once
#include <cstdint>

namespace pag {

// What the forward pass leaves to the gradient: so many arrays of the targets' shape.
enum CrossEntropyStat { kTop, kInverseTotal, kPull, kSpread, kCrossEntropyStats };

struct CrossEntropy {
  int64_t outer, n, inner;
  const int64_t* classes;  // (outer, inner)
  int64_t ignore_index;
  double smoothing;
  double divisor;
};

// The place among `count` classes of the first that is neither ignore_index nor in [0, n), or -1.
int64_t find_bad_class(const int64_t* classes, int64_t count, int64_t n, int64_t ignore_index);

// The sum of the weights of the classes met, 1 each where weight is null.
template <class T>
double sum_of_weights(const int64_t* classes, int64_t count, int64_t ignore_index, const T* weight);

// Fills stats (kCrossEntropyStats, outer, inner) and, unless null, losses (outer, inner); returns
// the sum of the losses. weight (n,) may be null. False if there was no memory.
template <class T>
bool cross_entropy(const CrossEntropy& h, const T* x, const T* weight, T* stats, T* losses,
                   double* sum);

// g: one gradient for all samples (g_step 0) or one each (g_step 1). A class outside [0, n) has no
// pull. Of h, it reads the sizes and the classes.
template <class T>
void cross_entropy_grad(const CrossEntropy& h, const T* g, int64_t g_step, const T* x,
                        const T* weight, const T* stats, T* out);

}  // namespace pag
