// Circular and hyperbolic functions. float32 arguments are reduced in double, which is right up to
// 10^6; beyond, and for float64, libm does it.
#pragma once
#include "isa/vloop.h"
#include "isa/vmath.h"

extern "C" {
double acos(double);
double asin(double);
double atan(double);
double cos(double);
double cosh(double);
double sin(double);
double sinh(double);
double tan(double);
}

namespace {

struct HalfF {
  typedef float type __attribute__((vector_size(PAG_VEC_BYTES / 2)));
};

// x = n pi/2 + r with |r| <= pi/4; returns r.
PAG_INLINE VecF reduce_by_half_pi(VecF x, VecI* n) {
  HalfF::type half[2];
  __builtin_memcpy(half, &x, sizeof x);
  const VecF turns = round_small(x * vset(0.636619772f));
  *n = __builtin_convertvector(turns, VecI);
  HalfF::type half_turns[2];
  __builtin_memcpy(half_turns, &turns, sizeof turns);
  for (int i = 0; i < 2; ++i) {
    // pi/2 in 33 bits, so that their product with n is exact, and the rest
    const VecD k = __builtin_convertvector(half_turns[i], VecD);
    VecD r = __builtin_convertvector(half[i], VecD) - k * vset(1.57079632673412561417e+00);
    r -= k * vset(6.07710050650619224932e-11);
    half[i] = __builtin_convertvector(r, HalfF::type);
  }
  VecF r;
  __builtin_memcpy(&r, half, sizeof r);
  return r;
}

// On |r| <= pi/4, by the Taylor polynomials.
PAG_INLINE VecF sin_reduced(VecF r) {
  const float c[] = {2.7557319e-6f, -1.9841270e-4f, 8.3333333e-3f, -0.16666667f};
  const VecF r2 = r * r;
  return vfma(r * r2, vpolynomial(c, r2), r);
}
PAG_INLINE VecF cos_reduced(VecF r) {
  const float c[] = {-2.7557319e-7f, 2.4801587e-5f, -1.3888889e-3f, 4.1666667e-2f};
  const VecF r2 = r * r, half = vset(0.5f) * r2, one = vset(1.0f), top = one - half;
  return top + vfma(r2 * r2, vpolynomial(c, r2), (one - top) - half);
}

// Where the reduction is not good enough, f of libm takes its place.
template <class F>
PAG_INLINE VecF vwhere_large(VecF x, VecF y, F f) {
  const auto large = !(vabs(x) <= vset(1e6f));
  if (vany(large))
    for (int i = 0; i < kLanes<float>; ++i)
      if (large[i]) y[i] = static_cast<float>(f(static_cast<double>(x[i])));
  return y;
}

// sin(x + shift pi/2)
PAG_INLINE VecF sin_of_quadrant(VecF x, int shift) {
  VecI n;
  const VecF r = reduce_by_half_pi(x, &n);
  n += shift;
  const VecF y = vselect((n & 1) != 0, cos_reduced(r), sin_reduced(r));
  return (VecF)((VecI)y ^ ((n & 2) << 30));
}
PAG_INLINE VecF vsin(VecF x) {
  return vwhere_large(x, vselect(x == 0, x, sin_of_quadrant(x, 0)), sin);
}
PAG_INLINE VecF vcos(VecF x) { return vwhere_large(x, sin_of_quadrant(x, 1), cos); }
PAG_INLINE VecF vtan(VecF x) {
  VecI n;
  const VecF r = reduce_by_half_pi(x, &n);
  const VecF s = sin_reduced(r), c = cos_reduced(r);
  const VecF y = vselect((n & 1) != 0, -c, s) / vselect((n & 1) != 0, s, c);
  return vwhere_large(x, vselect(x == 0, x, y), tan);
}
PAG_INLINE VecD vsin(VecD x) { return vlanes(x, sin); }
PAG_INLINE VecD vcos(VecD x) { return vlanes(x, cos); }
PAG_INLINE VecD vtan(VecD x) { return vlanes(x, tan); }

// Rare enough to leave to libm, in double for either dtype.
#define PAG_LANES(name, function)                                     \
  PAG_INLINE VecD name(VecD x) { return vlanes(x, function); }        \
  PAG_INLINE VecF name(VecF x) {                                      \
    for (int i = 0; i < kLanes<float>; ++i)                           \
      x[i] = static_cast<float>(function(static_cast<double>(x[i]))); \
    return x;                                                         \
  }
PAG_LANES(vasin, asin)
PAG_LANES(vacos, acos)
PAG_LANES(vatan, atan)
PAG_LANES(vsinh, sinh)
PAG_LANES(vcosh, cosh)
#undef PAG_LANES

}  // namespace
