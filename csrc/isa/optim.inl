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

}  // namespace
