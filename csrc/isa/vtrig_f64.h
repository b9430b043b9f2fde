// Circular and hyperbolic functions and their inverses, of float64. Arguments of sin, cos and tan
// are reduced here up to 10^6; beyond, libm does it. Polynomials are from docs/fit_polynomials.py.
#pragma once
#include "isa/vloop.h"
#include "isa/vmath_f64.h"

extern "C" {
double cos(double);
double sin(double);
double tan(double);
}

namespace {

// x = n pi/2 + r + low with |r| <= pi/4, for |x| <= 10^6. pi/2 is taken in four parts, the first
// three of 33 bits: n times them is exact. What the first leaves is exact, too.
struct ByHalfPi {
  VecD r, low;
  VecL n;  // in the low bits
};
PAG_INLINE ByHalfPi reduce_by_half_pi(VecD x) {
  ByHalfPi y;
  const VecD n = round_small(x * vset(0.6366197723675814), &y.n);
  const Pair a =
      add_exactly(vfma(n, vset(-1.5707963267341256), x), n * vset(-6.077100506303966e-11));
  const Pair b = add_exactly(a.high, n * vset(-2.0222662487111665e-21));
  const VecD rest = (a.low + b.low) - n * vset(8.4784276603689e-32);
  y.r = b.high + rest;
  y.low = (b.high - y.r) + rest;
  return y;
}

// Of r + low, |r| <= pi/4.
PAG_INLINE VecD sin_reduced(VecD r, VecD low) {
  const double c[] = {1.5918115263265974e-10,  -2.505113165023518e-08, 2.7557316101617874e-06,
                      -0.00019841269836756774, 0.008333333333330948,   -0.16666666666666666};
  const VecD r2 = r * r;
  return r + vfma(r * r2, vpolynomial(c, r2), vfma(low * r2, vset(-0.5), low));
}
PAG_INLINE VecD cos_reduced(VecD r, VecD low) {
  const double c[] = {-1.1382623647474604e-11, 2.087614614655861e-09,  -2.7557317271145144e-07,
                      2.480158729876456e-05,   -0.0013888888888887398, 0.041666666666666664};
  const VecD r2 = r * r, half = vset(0.5) * r2, one = vset(1.0), top = one - half;
  return top + (((one - top) - half) + vfma(r2 * r2, vpolynomial(c, r2), -(r * low)));
}

// Where the reduction is not good enough, f of libm takes its place.
template <class F>
PAG_INLINE VecD vwhere_large(VecD x, VecD y, F f) {
  const auto large = (vabs(x) > vset(1e6)) & (vabs(x) < vset(__builtin_inf()));
  if (vany(large))
    for (int i = 0; i < kLanes<double>; ++i)
      if (large[i]) y[i] = f(x[i]);
  return y;
}

// sin(x + shift pi/2)
PAG_INLINE VecD sin_of_quadrant(VecD x, int shift) {
  const ByHalfPi y = reduce_by_half_pi(x);
  const VecL n = y.n + shift;
  const VecD value = vselect((n & 1) != 0, cos_reduced(y.r, y.low), sin_reduced(y.r, y.low));
  return (VecD)((VecL)value ^ ((n & 2) << 62));
}
PAG_INLINE VecD vsin(VecD x) {
  const auto f = [](VecD a) __attribute__((always_inline)) { return sin_of_quadrant(a, 0); };
  return vwhere_large(x, beyond_tiny(x, 0x1p-27, f), sin);
}
PAG_INLINE VecD vcos(VecD x) {
  const VecD a = vselect(vabs(x) < vset(0x1p-27), VecD{}, x);
  return vwhere_large(x, sin_of_quadrant(a, 1), cos);
}
PAG_INLINE VecD vtan(VecD x) {
  const auto f = [](VecD a) __attribute__((always_inline)) {
    const ByHalfPi y = reduce_by_half_pi(a);
    const VecD s = sin_reduced(y.r, y.low), c = cos_reduced(y.r, y.low);
    const auto odd = (y.n & 1) != 0;
    return vselect(odd, -c, s) / vselect(odd, s, c);
  };
  return vwhere_large(x, beyond_tiny(x, 0x1p-27, f), tan);
}

// ---- the inverses -------------------------------------------------------------------------------

// high + low is pi/2.
constexpr double kHalfPiD = 1.5707963267948966, kHalfPiLowD = 6.123233995736766e-17;

// x^2 P(x^2) with atan x = x + x that, |x| <= 1; likewise asin, |x| <= 1/2.
PAG_INLINE VecD atan_rest(VecD z) {
  const double c[] = {-1.1832505417555692e-05, 0.0001368724853148122, -0.0007518472526973822,
                      0.002622977891906089,    -0.006575683344151699, 0.012756172907694298,
                      -0.020238706986393514,   0.027567942297344678,  -0.033750132001619734,
                      0.03872640214042632,     -0.04308119655330471,  0.04752086773576656,
                      -0.05261265735709454,    0.05882074956371294,   -0.06666636435777692,
                      0.07692305354678655,     -0.09090908969557403,  0.11111111107234799,
                      -0.14285714285648404,    0.19999999999999554,   -0.3333333333333333};
  return z * vpolynomial(c, z);
}
PAG_INLINE VecD asin_rest(VecD z) {
  const double c[] = {0.028757851367421566, -0.014851887071247204, 0.01740087944269402,
                      0.005457506718640358, 0.01032281435018578,   0.011479177415184906,
                      0.013971212973552933, 0.017352392720869973,  0.02237217294214989,
                      0.030381944138531247, 0.04464285714635543,   0.07499999999998433,
                      0.16666666666666669};
  return z * vpolynomial(c, z);
}

// Beyond 1, pi/2 + atan(-1/x).
PAG_INLINE VecD vatan(VecD x) {
  return beyond_tiny(x, 0x1p-27, [](VecD a) __attribute__((always_inline)) {
    const VecD magnitude = vabs(a), one = vset(1.0);
    const auto far = magnitude > one;
    const VecD t = vselect(far, -one / vclamp(magnitude, one, vset(0x1p100)), magnitude);
    const VecD rest = t * atan_rest(t * t);
    const VecD above = vset(kHalfPiD) + (t + (rest + vset(kHalfPiLowD)));
    return with_sign_of(a, vselect(far, above, t + rest));
  });
}

// s + low = sqrt(z), where z = (1 - |x|)/2: asin |x| = pi/2 - 2 asin(s + low). The first half of s
// and the rest of asin beyond that are returned.
PAG_INLINE Pair asin_of_root(VecD magnitude) {
  const VecD z = vfma(magnitude, vset(-0.5), vset(0.5)), s = vsqrt(z), high = first_half(s);
  const VecD low = vselect(z > 0, (z - high * high) / (s + high), VecD{});
  return {high, vfma(s, asin_rest(z), low)};
}

PAG_INLINE VecD vasin(VecD x) {
  return beyond_tiny(x, 0x1p-27, [](VecD a) __attribute__((always_inline)) {
    const VecD magnitude = vabs(a), half_pi = vset(kHalfPiD), two = vset(2.0);
    const Pair root = asin_of_root(magnitude);
    const Pair top = add_smaller(half_pi, -two * root.high);
    const VecD far = top.high + (top.low + (vset(kHalfPiLowD) - two * root.low));
    const VecD near = vfma(magnitude, asin_rest(magnitude * magnitude), magnitude);
    return with_sign_of(a, vselect(magnitude <= vset(0.5), near, far));
  });
}

// pi/2 - asin x; 2 asin(root) from 1/2 on, and pi minus that below -1/2.
PAG_INLINE VecD vacos(VecD x) {
  x = vselect(vabs(x) < vset(0x1p-60), VecD{}, x);
  const VecD magnitude = vabs(x), half_pi = vset(kHalfPiD), low = vset(kHalfPiLowD);
  const Pair top = add_smaller(half_pi, -x);
  const VecD near = top.high + (top.low + (low - x * asin_rest(x * x)));
  const VecD two = vset(2.0);
  const Pair root = asin_of_root(magnitude), twice = {two * root.high, two * root.low};
  const Pair from_pi = add_smaller(half_pi + half_pi, -twice.high);
  const VecD below = from_pi.high + (from_pi.low + (low + low - twice.low));
  const VecD far = vselect(x < 0, below, twice.high + twice.low);
  return vselect(magnitude <= vset(0.5), near, far);
}

// ---- hyperbolic ---------------------------------------------------------------------------------

// (e^x + sign e^-x) / 2 for x >= 0. With e^x / 4 = s (1 + q), s a power of two, only the last sum
// rounds; the quarter keeps s finite as far as the result is.
PAG_INLINE VecD half_exp_sum(VecD x, double sign) {
  const ByLn2 y = reduce_by_ln2(vclamp(x, VecD{}, vset(710.6)));
  const VecD q = y.r + (y.low + expm1_rest(y.r)), s = vpow2(y.bits - 2);
  const VecD small = vset(0.0625 * sign) / vclamp(vfma(s, q, s), VecD{}, vset(0x1p200));
  const VecD half = s + vfma(s, q, small);
  return half + half;
}
PAG_INLINE VecD vcosh(VecD x) { return half_exp_sum(vabs(x), 1); }
PAG_INLINE VecD vsinh(VecD x) {
  return beyond_tiny(x, 0x1p-28, [](VecD a) __attribute__((always_inline)) {
    const VecD magnitude = vabs(a), z = a * a;
    const double c[] = {7.746178593018827e-13,  1.6057679623801638e-10, 2.5052117695907823e-08,
                        2.7557319191381816e-06, 0.00019841269841324198, 0.008333333333333299,
                        0.16666666666666666};
    const VecD near = vfma(magnitude, z * vpolynomial(c, z), magnitude);
    const VecD far = half_exp_sum(magnitude, -1);
    return with_sign_of(a, vselect(magnitude <= vset(1.0), near, far));
  });
}

}  // namespace
