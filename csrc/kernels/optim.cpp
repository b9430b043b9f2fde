#include "kernels/optim.h"

#include <cmath>

#include "kernels/parallel.h"

namespace pag {

template <class T>
void sgd_step(const Sgd& h, int64_t n, T* __restrict p, const T* __restrict g,
              T* __restrict buffer) {
  const T lr = static_cast<T>(h.lr), momentum = static_cast<T>(h.momentum),
          fresh = static_cast<T>(1 - h.dampening), decay = static_cast<T>(h.weight_decay),
          sign = static_cast<T>(h.maximize ? -1 : 1);
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    if (!buffer) {
      for (int64_t i = begin; i < end; ++i) p[i] -= lr * (sign * g[i] + decay * p[i]);
      return;
    }
    if (h.first) {
      for (int64_t i = begin; i < end; ++i) buffer[i] = sign * g[i] + decay * p[i];
    } else {
      for (int64_t i = begin; i < end; ++i)
        buffer[i] = momentum * buffer[i] + fresh * (sign * g[i] + decay * p[i]);
    }
    if (h.nesterov) {
      for (int64_t i = begin; i < end; ++i)
        p[i] -= lr * (sign * g[i] + decay * p[i] + momentum * buffer[i]);
    } else {
      for (int64_t i = begin; i < end; ++i) p[i] -= lr * buffer[i];
    }
  });
}

// Kingma and Ba, 2015; decoupled decay: Loshchilov and Hutter, 2019; maximum: Reddi et al., 2018.
template <class T>
void adam_step(const Adam& h, int64_t n, T* __restrict p, const T* __restrict g,
               T* __restrict exp_avg, T* __restrict exp_avg_sq, T* __restrict max_exp_avg_sq) {
  const double steps = static_cast<double>(h.step);
  const T rate = static_cast<T>(h.lr / (1 - std::pow(h.beta1, steps))),
          correction = static_cast<T>(1 / std::sqrt(1 - std::pow(h.beta2, steps))),
          keep1 = static_cast<T>(h.beta1), fresh1 = static_cast<T>(1 - h.beta1),
          keep2 = static_cast<T>(h.beta2), fresh2 = static_cast<T>(1 - h.beta2),
          eps = static_cast<T>(h.eps), sign = static_cast<T>(h.maximize ? -1 : 1),
          shrink = static_cast<T>(h.decoupled ? 1 - h.lr * h.weight_decay : 1),
          decay = static_cast<T>(h.decoupled ? 0 : h.weight_decay);
  parallel_for(n, kGrain / 4, [&](int64_t begin, int64_t end) {
    const auto moments = [&](int64_t i) {
      const T slope = sign * g[i] + decay * p[i];
      exp_avg[i] = keep1 * exp_avg[i] + fresh1 * slope;
      exp_avg_sq[i] = keep2 * exp_avg_sq[i] + fresh2 * slope * slope;
    };
    const auto update = [&](int64_t i, T second) {
      p[i] = shrink * p[i] - rate * exp_avg[i] / (std::sqrt(second) * correction + eps);
    };
    if (max_exp_avg_sq) {
      for (int64_t i = begin; i < end; ++i) {
        moments(i);
        const T largest = max_exp_avg_sq[i] > exp_avg_sq[i] ? max_exp_avg_sq[i] : exp_avg_sq[i];
        max_exp_avg_sq[i] = largest;
        update(i, largest);
      }
    } else {
      for (int64_t i = begin; i < end; ++i) {
        moments(i);
        update(i, exp_avg_sq[i]);
      }
    }
  });
}

template void sgd_step<float>(const Sgd&, int64_t, float*, const float*, float*);
template void sgd_step<double>(const Sgd&, int64_t, double*, const double*, double*);
template void adam_step<float>(const Adam&, int64_t, float*, const float*, float*, float*, float*);
template void adam_step<double>(const Adam&, int64_t, double*, const double*, double*, double*,
                                double*);

}  // namespace pag
