// Vector transcendental functions. float32 is computed here by argument reduction and polynomials
// (the largest error found by tests/test_accuracy.py stands beside each); float64 calls libm.
#pragma once
#include "isa/vec.h"

extern "C" {  // libm, declared here: <cmath> would bring inline functions into this file
double exp(double);
double log(double);
double log1p(double);
double pow(double, double);
double tanh(double);
float powf(float, float);
}

namespace {

PAG_INLINE VecF vround(VecF x) {  // to the nearest integer, |x| < 2^22
  const VecF shift = vset(12582912.0f);
  return (x + shift) - shift;
}
PAG_INLINE VecF vpow2(VecI n) { return (VecF)((n + 127) << 23); }  // -127 < n < 128

template <int N>
PAG_INLINE VecF vpolynomial(const float (&coefficients)[N], VecF x) {  // highest power first
  VecF p = vset(coefficients[0]);
  for (int i = 1; i < N; ++i) p = vfma(p, x, vset(coefficients[i]));
  return p;
}

// x = n ln 2 + r with |r| <= ln 2 / 2. ln 2 is split in two floats, so that n times the first part
// is exact.
PAG_INLINE VecF reduce_by_ln2(VecF x, VecF* n) {
  *n = vround(x * vset(1.442695041f));
  const VecF r = vfma(*n, vset(-0.693359375f), x);
  return vfma(*n, vset(2.12194440e-4f), r);
}
// exp(r) - 1 on |r| <= ln 2 / 2, by the Taylor polynomial of degree 7.
PAG_INLINE VecF expm1_reduced(VecF r) {
  const float c[] = {1.9841270e-4f, 1.3888889e-3f, 8.3333333e-3f,
                     4.1666667e-2f, 1.6666667e-1f, 0.5f};
  return vfma(vpolynomial(c, r), r * r, r);
}

PAG_INLINE VecF vexp(VecF x) {
  const VecF high = vset(88.72284f), low = vset(-103.97208f);
  VecF clamped = vselect(x > high, high, x);
  clamped = vselect(clamped < low, low, clamped);
  VecF n;
  const VecF p = expm1_reduced(reduce_by_ln2(clamped, &n)) + vset(1.0f);
  // 2^n in two factors: n reaches 128 at the top and -150 among the denormals.
  const VecI whole = __builtin_convertvector(n, VecI), half = whole >> 1;
  const VecF y = p * vpow2(half) * vpow2(whole - half);
  const VecF saturated = vselect(x > high, vset(__builtin_inff()), vselect(x < low, VecF{}, y));
  return vselect(x != x, x, saturated);
}

// log(m 2^e) with m in [sqrt(1/2), sqrt 2): with f = m-1 and s = f/(2+f),
// log(1+f) = f - f^2/2 + s (f^2/2 + R), R = s^2 (2/3 + 2/5 s^2 + ...) (the series of 2 atanh s).
PAG_INLINE VecF vlog(VecF x) {
  const auto denormal = x < vset(1.17549435e-38f);
  const VecF scaled = vselect(denormal, x * vset(8388608.0f), x);
  const VecI offset = (VecI)scaled - 0x3f3504f3;  // bits of sqrt(1/2)
  const VecI exponent = (offset >> 23) - vselect(denormal, VecI{} + 23, VecI{});
  const VecF m = (VecF)((offset & 0x007fffff) + 0x3f3504f3);
  const VecF e = __builtin_convertvector(exponent, VecF);
  const VecF f = m - vset(1.0f), s = f / (vset(2.0f) + f), s2 = s * s;
  const float c[] = {0.22222222f, 0.28571429f, 0.4f, 0.66666667f};
  const VecF r = s2 * vpolynomial(c, s2), half_square = vset(0.5f) * f * f;
  VecF y = f - (half_square - vfma(s, half_square + r, e * vset(-2.12194440e-4f)));
  y = vfma(e, vset(0.693359375f), y);
  y = vselect(x == vset(__builtin_inff()), x, y);
  y = vselect(x == 0, vset(-__builtin_inff()), y);
  return vselect(x < 0, vset(__builtin_nanf("")), vselect(x != x, x, y));
}

// tanh x = e / (e + 2) with e = expm1(2|x|).
PAG_INLINE VecF vtanh(VecF x) {
  const VecF magnitude = vabs(x), limit = vset(9.1f);
  const VecF clamped = vselect(magnitude > limit, limit, magnitude);
  VecF n;
  const VecF p = expm1_reduced(reduce_by_ln2(clamped + clamped, &n));
  const VecF scale = vpow2(__builtin_convertvector(n, VecI));
  const VecF e = vfma(scale, p, scale - vset(1.0f));
  const VecF y = e / (e + vset(2.0f));
  const VecF with_sign = (VecF)((VecI)y | ((VecI)x & (VecI{} + INT32_MIN)));
  return vselect(x != x, x, with_sign);
}

// By exp(-|x|), which never overflows: 1/(1+e) for x >= 0 and e/(1+e) below.
PAG_INLINE VecF vsigmoid(VecF x) {
  const VecF e = vexp(-vabs(x)), one = vset(1.0f);
  return vselect(x >= 0, one, e) / (one + e);
}

// log(1 + exp x) = max(x, 0) + log1p(e), e = exp(-|x|), log1p(e) = 2 atanh(e / (2+e)).
PAG_INLINE VecF vsoftplus(VecF x) {
  const VecF e = vexp(-vabs(x)), s = e / (vset(2.0f) + e), s2 = s * s;
  const float c[] = {0.10526316f, 0.11764706f, 0.13333333f, 0.15384615f, 0.18181818f,
                     0.22222222f, 0.28571429f, 0.4f,        0.66666667f};
  const VecF log1p_e = vfma(s * s2, vpolynomial(c, s2), s + s);
  return vselect(x <= 0, VecF{}, x) + log1p_e;
}

PAG_INLINE VecF vpow(VecF a, VecF b) {
  VecF y;
  for (int i = 0; i < kLanes<float>; ++i) y[i] = b[i] == 2.0f ? a[i] * a[i] : powf(a[i], b[i]);
  return y;
}

PAG_INLINE VecD vexp(VecD x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = exp(x[i]);
  return x;
}
PAG_INLINE VecD vlog(VecD x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = log(x[i]);
  return x;
}
PAG_INLINE VecD vtanh(VecD x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = tanh(x[i]);
  return x;
}
PAG_INLINE VecD vsigmoid(VecD x) {
  const VecD e = vexp(-vabs(x)), one = vset(1.0);
  return vselect(x >= 0, one, e) / (one + e);
}
PAG_INLINE VecD vsoftplus(VecD x) {
  VecD e = vexp(-vabs(x));
  for (int i = 0; i < kLanes<double>; ++i) e[i] = log1p(e[i]);
  return vselect(x <= 0, VecD{}, x) + e;
}
PAG_INLINE VecD vpow(VecD a, VecD b) {
  for (int i = 0; i < kLanes<double>; ++i) a[i] = b[i] == 2.0 ? a[i] * a[i] : pow(a[i], b[i]);
  return a;
}

}  // namespace
