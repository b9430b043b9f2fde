// Circular and hyperbolic functions and their inverses, here of float32. Arguments of sin, cos and
// tan are reduced in double, which is right up to 10^6; beyond, libm does it.
#pragma once
#include "isa/vloop.h"
#include "isa/vmath.h"
#include "isa/vtrig_f64.h"

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

// ---- the inverses -------------------------------------------------------------------------------

PAG_INLINE VecF with_sign_of(VecF x, VecF magnitude) {
  return (VecF)((VecI)magnitude | ((VecI)x & INT32_MIN));
}

// high + low is pi/2 to 48 bits.
constexpr float kHalfPi = 1.57079637f, kHalfPiLow = -4.37113883e-8f;

// x^2 P(x^2) with atan x = x + x that, |x| <= 1; likewise asin, |x| <= 1/2. The polynomials are
// fitted to 0.25 and 0.1 units of 2^-24.
PAG_INLINE VecF atan_rest(VecF z) {
  const float c[] = {0.00297454326f, -0.0165809976f, 0.0435532408f, -0.0758055333f,
                     0.106789289f,   -0.142142063f,  0.199941369f,  -0.33333167f};
  return z * vpolynomial(c, z);
}
PAG_INLINE VecF asin_rest(VecF z) {
  const float c[] = {0.0422185462f, 0.0241476118f, 0.0454770971f, 0.0749524178f, 0.166667539f};
  return z * vpolynomial(c, z);
}

// Beyond 1, pi/2 + atan(-1/x).
PAG_INLINE VecF vatan(VecF x) {
  const VecF magnitude = vabs(x), one = vset(1.0f);
  const auto far = magnitude > one;
  const VecF t = vselect(far, -one / magnitude, magnitude);
  const VecF rest = t * atan_rest(t * t);
  const VecF y = vselect(far, vset(kHalfPi) + (t + (rest + vset(kHalfPiLow))), t + rest);
  return with_sign_of(x, y);
}

// s + low = sqrt(z), where z = (1 - |x|)/2: asin |x| = pi/2 - 2 asin(s + low). The rest of 2 asin,
// beyond 2 s, is returned.
PAG_INLINE VecF asin_of_root(VecF magnitude, VecF* s) {
  const VecF z = vfma(magnitude, vset(-0.5f), vset(0.5f));
  *s = vsqrt(z);
  const VecF low = vselect(z > 0, vfma(-*s, *s, z) / (*s + *s), VecF{});
  return vset(2.0f) * vfma(*s, asin_rest(z), low);
}

PAG_INLINE VecF vasin(VecF x) {
  const VecF magnitude = vabs(x), half_pi = vset(kHalfPi);
  VecF s;
  const VecF rest = asin_of_root(magnitude, &s);
  const VecF top = half_pi - (s + s);
  const VecF far = top + ((half_pi - top) - (s + s) + (vset(kHalfPiLow) - rest));
  const VecF near = vfma(magnitude, asin_rest(magnitude * magnitude), magnitude);
  return with_sign_of(x, vselect(magnitude <= vset(0.5f), near, far));
}

// pi/2 - asin x; 2 asin(root) from 1/2 on, and pi minus that below -1/2.
PAG_INLINE VecF vacos(VecF x) {
  const VecF magnitude = vabs(x), half_pi = vset(kHalfPi), low = vset(kHalfPiLow);
  const VecF top = half_pi - x, near_rest = x * asin_rest(x * x);
  const VecF near = top + ((half_pi - top) - x + (low - near_rest));
  VecF s;
  const VecF rest = asin_of_root(magnitude, &s), above = (s + s) + rest;
  const VecF pi = half_pi + half_pi, top_below = pi - (s + s);
  const VecF below = top_below + ((pi - top_below) - (s + s) + (low + low - rest));
  return vselect(magnitude <= vset(0.5f), near, vselect(x < 0, below, above));
}

// ---- hyperbolic ---------------------------------------------------------------------------------

// (e^x + sign e^-x) / 2 for x >= 0. With e^x / 4 = s (1 + q), s a power of two, only the last sum
// rounds; the quarter keeps s finite as far as the result is.
PAG_INLINE VecF half_exp_sum(VecF x, float sign) {
  VecF n;
  const VecF q = expm1_reduced(reduce_by_ln2(vclamp(x, VecF{}, vset(89.5f)), &n));
  const VecF s = vpow2(__builtin_convertvector(n, VecI) - 2);
  const VecF small = vset(0.0625f * sign) / vfma(s, q, s);
  return vset(2.0f) * (s + vfma(s, q, small));
}
PAG_INLINE VecF vcosh(VecF x) { return half_exp_sum(vabs(x), 1); }
PAG_INLINE VecF vsinh(VecF x) {
  const VecF magnitude = vabs(x), z = x * x;
  const float c[] = {2.81743965e-6f, 1.98360662e-4f, 8.33335060e-3f, 0.166666665f};
  const VecF near = vfma(magnitude, z * vpolynomial(c, z), magnitude);
  const VecF far = half_exp_sum(magnitude, -1);
  return with_sign_of(x, vselect(magnitude <= vset(1.0f), near, far));
}

}  // namespace
