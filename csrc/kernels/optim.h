// One step of an optimiser over one parameter, in place, in one pass over memory.
#pragma once
#include <cstdint>

namespace pag {

struct Sgd {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
  bool first;  // the buffer holds nothing yet: it becomes the gradient
};

struct Adam {
  double lr, beta1, beta2, eps, weight_decay;
  int64_t step;    // from 1
  bool decoupled;  // weight decay acts on the parameter, not through the gradient (AdamW)
  bool maximize;
};

// buffer: null without momentum.
template <class T>
void sgd_step(const Sgd& h, int64_t n, T* p, const T* g, T* buffer);

// max_exp_avg_sq: null unless the largest second moment so far is used (AMSGrad).
template <class T>
void adam_step(const Adam& h, int64_t n, T* p, const T* g, T* exp_avg, T* exp_avg_sq,
               T* max_exp_avg_sq);

}  // namespace pag
