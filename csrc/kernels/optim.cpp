#include "kernels/optim.h"

#include <algorithm>
#include <cmath>

#include "kernels/denormals.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

// loop(step, begin, end) for the pieces of each chunk of the vector that all parameters make.
template <class Step>
void over_all(const std::vector<Step>& steps, int64_t grain,
              void (*loop)(const Step&, int64_t, int64_t)) {
  int64_t total = 0;
  for (const Step& step : steps) total += step.n;
  parallel_for(total, grain, [&](int64_t begin, int64_t end) {
    int64_t start = 0;  // of the parameter in the vector
    for (const Step& step : steps) {
      const int64_t from = std::max(begin, start), to = std::min(end, start + step.n);
      if (from < to) loop(step, from - start, to - start);
      start += step.n;
    }
  });
}

}  // namespace

template <class T>
SgdStep<T> sgd_settings(const Sgd& h) {
  SgdStep<T> s{};
  s.lr = static_cast<T>(h.lr);
  s.momentum = static_cast<T>(h.momentum);
  s.fresh = static_cast<T>(1 - h.dampening);
  s.decay = static_cast<T>(h.weight_decay);
  s.sign = static_cast<T>(h.maximize ? -1 : 1);
  s.nesterov = h.nesterov;
  return s;
}

// Kingma and Ba, 2015; decoupled decay: Loshchilov and Hutter, 2019; maximum: Reddi et al., 2018.
template <class T>
AdamStep<T> adam_settings(const Adam& h, int64_t step) {
  const double steps = static_cast<double>(step);
  AdamStep<T> s{};
  s.rate = static_cast<T>(h.lr / (1 - std::pow(h.beta1, steps)));
  s.correction = static_cast<T>(1 / std::sqrt(1 - std::pow(h.beta2, steps)));
  s.keep1 = static_cast<T>(h.beta1);
  s.fresh1 = static_cast<T>(1 - h.beta1);
  s.keep2 = static_cast<T>(h.beta2);
  s.fresh2 = static_cast<T>(1 - h.beta2);
  s.eps = static_cast<T>(h.eps);
  s.sign = static_cast<T>(h.maximize ? -1 : 1);
  s.shrink = static_cast<T>(h.decoupled ? 1 - h.lr * h.weight_decay : 1);
  s.decay = static_cast<T>(h.decoupled ? 0 : h.weight_decay);
  return s;
}

template <class T>
AdaptiveStep<T> adaptive_settings(const Adaptive& h, int64_t step) {
  const double steps = static_cast<double>(step);
  double rate = h.lr;
  if (h.rule == kAdagrad) rate /= 1 + (steps - 1) * h.lr_decay;
  if (h.rule == kAdamax) rate /= 1 - std::pow(h.momentum, steps);
  AdaptiveStep<T> s{};
  s.rule = h.rule;
  s.lr = static_cast<T>(rate);
  s.sign = static_cast<T>(h.maximize ? -1 : 1);
  s.decay = static_cast<T>(h.weight_decay);
  s.keep = static_cast<T>(h.keep);
  s.fresh = static_cast<T>(1 - h.keep);
  s.momentum = static_cast<T>(h.momentum);
  s.fresh_momentum = static_cast<T>(1 - h.momentum);
  s.eps = static_cast<T>(h.eps);
  return s;
}

template <class T>
void run_steps(const std::vector<SgdStep<T>>& steps) {
  const FlushDenormals scope;
  over_all(steps, kGrain, isa().optim.of<T>().sgd);
}
template <class T>
void run_steps(const std::vector<AdamStep<T>>& steps) {
  const FlushDenormals scope;
  over_all(steps, kGrain / 4, isa().optim.of<T>().adam);
}
template <class T>
void run_steps(const std::vector<AdaptiveStep<T>>& steps) {
  const FlushDenormals scope;
  over_all(steps, kGrain / 4, isa().optim.of<T>().adaptive);
}

#define INSTANTIATE(T)                                                     \
  template SgdStep<T> sgd_settings<T>(const Sgd&);                         \
  template AdamStep<T> adam_settings<T>(const Adam&, int64_t);             \
  template AdaptiveStep<T> adaptive_settings<T>(const Adaptive&, int64_t); \
  template void run_steps<T>(const std::vector<AdaptiveStep<T>>&);         \
  template void run_steps<T>(const std::vector<SgdStep<T>>&);              \
  template void run_steps<T>(const std::vector<AdamStep<T>>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
