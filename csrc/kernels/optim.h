// One step of an optimiser over many parameters, in place, in one pass over memory.
#pragma once
#include <cstdint>
#include <vector>

#include "isa/table.h"

namespace pag {

struct Sgd {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
};

struct Adam {
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled;  // weight decay acts on the parameter, not through the gradient (AdamW)
  bool maximize;
};

// RMSprop (Hinton, 2012), Adagrad (Duchi et al., 2011), Adadelta (Zeiler, 2012), Adamax (Kingma and
// Ba, 2015). keep: how much of the running size is kept; momentum: Adamax's beta1 too.
struct Adaptive {
  AdaptiveRule rule;
  double lr, keep, momentum, eps, weight_decay, lr_decay;
  bool maximize;
};

// The settings as the loops take them; the arrays are left to the caller.
template <class T>
SgdStep<T> sgd_settings(const Sgd& h);
template <class T>
AdamStep<T> adam_settings(const Adam& h, int64_t step);  // steps count from 1
template <class T>
AdaptiveStep<T> adaptive_settings(const Adaptive& h, int64_t step);

// All parameters as if they were one vector.
template <class T>
void run_steps(const std::vector<SgdStep<T>>& steps);
template <class T>
void run_steps(const std::vector<AdamStep<T>>& steps);
template <class T>
void run_steps(const std::vector<AdaptiveStep<T>>& steps);

}  // namespace pag
