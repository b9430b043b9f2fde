// One step of an optimiser over the elements [begin, end) of a parameter, in one pass.
#include "isa/vloop.h"

namespace {

template <class T, bool Momentum>
PAG_INLINE void sgd_pass(const pag::SgdStep<T>& s, int64_t begin, int64_t end) {
  T *p = s.p + begin, *buffer = Momentum ? s.buffer + begin : nullptr;
  const T* g = s.g + begin;
  const Vec<T> lr = vset(s.lr), sign = vset(s.sign), decay = vset(s.decay),
               // At the first step the buffer holds nothing, and becomes the slope.
      keep = vset(s.momentum), fresh = vset(s.first ? T{1} : s.fresh);
  each_vector<T>(end - begin, [=, &s](int64_t i, int lanes) __attribute__((always_inline)) {
    const Vec<T> x = vload_lanes(p + i, lanes);
    Vec<T> slope = sign * vload_lanes(g + i, lanes) + decay * x;
    if (Momentum) {
      Vec<T> b = fresh * slope;
      if (!s.first) b += keep * vload_lanes(buffer + i, lanes);
      vstore_lanes(buffer + i, b, lanes);
      slope = s.nesterov ? Vec<T>(slope + keep * b) : b;
    }
    vstore_lanes(p + i, x - lr * slope, lanes);
  });
}

template <class T>
void sgd_step(const pag::SgdStep<T>& s, int64_t begin, int64_t end) {
  s.buffer ? sgd_pass<T, true>(s, begin, end) : sgd_pass<T, false>(s, begin, end);
}

template <class T>
void adam_step(const pag::AdamStep<T>& s, int64_t begin, int64_t end) {
  T *p = s.p + begin, *mean = s.exp_avg + begin, *square = s.exp_avg_sq + begin,
    *largest = s.max_exp_avg_sq ? s.max_exp_avg_sq + begin : nullptr;
  const T* g = s.g + begin;
  const Vec<T> keep1 = vset(s.keep1), fresh1 = vset(s.fresh1), keep2 = vset(s.keep2),
               fresh2 = vset(s.fresh2), sign = vset(s.sign), decay = vset(s.decay),
               shrink = vset(s.shrink), rate = vset(s.rate), correction = vset(s.correction),
               eps = vset(s.eps);
  each_vector<T>(end - begin, [=](int64_t i, int lanes) __attribute__((always_inline)) {
    const Vec<T> x = vload_lanes(p + i, lanes);
    const Vec<T> slope = sign * vload_lanes(g + i, lanes) + decay * x;
    const Vec<T> m = keep1 * vload_lanes(mean + i, lanes) + fresh1 * slope;
    Vec<T> v = keep2 * vload_lanes(square + i, lanes) + fresh2 * slope * slope;
    vstore_lanes(mean + i, m, lanes);
    vstore_lanes(square + i, v, lanes);
    if (largest) {
      const Vec<T> before = vload_lanes(largest + i, lanes);
      v = vselect(before > v, before, v);
      vstore_lanes(largest + i, v, lanes);
    }
    const Vec<T> change = rate * m / (vsqrt(v) * correction + eps);
    vstore_lanes(p + i, shrink * x - change, lanes);
  });
}

template <class T, pag::AdaptiveRule Rule>
PAG_INLINE void adaptive_pass(const pag::AdaptiveStep<T>& s, int64_t begin, int64_t end) {
  T *p = s.p + begin, *size = s.size + begin, *mean = s.mean ? s.mean + begin : nullptr,
    *buffer = s.buffer ? s.buffer + begin : nullptr;
  const T* g = s.g + begin;
  const Vec<T> lr = vset(s.lr), sign = vset(s.sign), decay = vset(s.decay), keep = vset(s.keep),
               fresh = vset(s.fresh), momentum = vset(s.momentum),
               fresh_momentum = vset(s.fresh_momentum), eps = vset(s.eps);
  each_vector<T>(end - begin, [=](int64_t i, int lanes) __attribute__((always_inline)) {
    const Vec<T> x = vload_lanes(p + i, lanes);
    const Vec<T> slope = sign * vload_lanes(g + i, lanes) + decay * x;
    const Vec<T> before = vload_lanes(size + i, lanes);
    Vec<T> now, change;
    if (Rule == pag::kRmsprop) {
      now = keep * before + fresh * slope * slope;
      Vec<T> spread = now;
      if (mean) {
        const Vec<T> m = vload_lanes(mean + i, lanes), centre = m + fresh * (slope - m);
        vstore_lanes(mean + i, centre, lanes);
        spread = now - centre * centre;
      }
      change = slope / (vsqrt(spread) + eps);
      if (buffer) {
        change = momentum * vload_lanes(buffer + i, lanes) + change;
        vstore_lanes(buffer + i, change, lanes);
      }
    } else if (Rule == pag::kAdagrad) {
      now = before + slope * slope;
      change = slope / (vsqrt(now) + eps);
    } else if (Rule == pag::kAdadelta) {
      const Vec<T> changes = vload_lanes(mean + i, lanes);
      now = keep * before + fresh * slope * slope;
      change = vsqrt(changes + eps) / vsqrt(now + eps) * slope;
      vstore_lanes(mean + i, keep * changes + fresh * change * change, lanes);
    } else {
      const Vec<T> m = momentum * vload_lanes(mean + i, lanes) + fresh_momentum * slope;
      vstore_lanes(mean + i, m, lanes);
      const Vec<T> faded = keep * before, largest = vabs(slope) + eps;
      now = vselect(faded > largest, faded, largest);
      change = m / now;
    }
    vstore_lanes(size + i, now, lanes);
    vstore_lanes(p + i, x - lr * change, lanes);
  });
}

template <class T>
void adaptive_step(const pag::AdaptiveStep<T>& s, int64_t begin, int64_t end) {
  switch (s.rule) {
    case pag::kRmsprop:
      return adaptive_pass<T, pag::kRmsprop>(s, begin, end);
    case pag::kAdagrad:
      return adaptive_pass<T, pag::kAdagrad>(s, begin, end);
    case pag::kAdadelta:
      return adaptive_pass<T, pag::kAdadelta>(s, begin, end);
    case pag::kAdamax:
      return adaptive_pass<T, pag::kAdamax>(s, begin, end);
  }
}

}  // namespace
