// Vector transcendental functions, by argument reduction and polynomials: here those of float32.
// tests/test_accuracy.py holds the errors of all under a limit.
#pragma once
#include "isa/vec.h"
#include "isa/vmath_f64.h"
#include "isa/vpow_f64.h"

extern "C" {  // libm, declared here: <cmath> would bring inline functions into this file
float powf(float, float);
}

namespace {

PAG_INLINE VecF round_small(VecF x) {  // to the nearest integer, |x| < 2^22
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
  *n = round_small(x * vset(1.442695041f));
  const VecF r = vfma(*n, vset(-0.693359375f), x);
  return vfma(*n, vset(2.12194440e-4f), r);
}
// exp(r) - 1 on |r| <= ln 2 / 2, by the Taylor polynomial of degree 7.
PAG_INLINE VecF expm1_reduced(VecF r) {
  const float c[] = {1.9841270e-4f, 1.3888889e-3f, 8.3333333e-3f,
                     4.1666667e-2f, 1.6666667e-1f, 0.5f};
  return vfma(vpolynomial(c, r), r * r, r);
}

// p 2^n for p near 1 and -200 < n < 200: beyond what floats hold, inf and 0.
PAG_INLINE VecF scale_by_pow2(VecF p, VecF n) {
#if PAG_VEC_BYTES == 64
  return (VecF)_mm512_scalef_ps((__m512)p, (__m512)n);
#else  // 2^n in two factors
  const VecI whole = __builtin_convertvector(n, VecI), half = whole >> 1;
  return p * vpow2(half) * vpow2(whole - half);
#endif
}

// What is added changes no result, but makes denormal numbers normal.
PAG_INLINE VecF vexp(VecF x) {
  VecF n;
  const VecF r = reduce_by_ln2(vclamp(x, vset(-110.0f), vset(90.0f)) + vset(0x1p-60f), &n);
  return scale_by_pow2(expm1_reduced(r) + vset(1.0f), n);
}

PAG_INLINE VecF vexp2(VecF x) {
  const VecF clamped = vclamp(x, vset(-160.0f), vset(130.0f)), n = round_small(clamped);
  return scale_by_pow2(expm1_reduced((clamped - n) * vset(0.693147181f)) + vset(1.0f), n);
}

// 2^n p + (2^n - 1), in halves: n reaches 128.
PAG_INLINE VecF vexpm1(VecF x) {
  const VecF high = vset(88.72284f);
  VecF n;
  const VecF p = expm1_reduced(reduce_by_ln2(vclamp(x, vset(-17.5f), high), &n));
  const VecF half = vpow2(__builtin_convertvector(n, VecI) - 1);
  const VecF y = vfma(half, p, half - vset(0.5f)) * vset(2.0f);
  const VecF saturated = vselect(x > high, vset(__builtin_inff()), y);
  return vselect((x != x) | (x == 0), x, saturated);
}

// x = (1 + f) 2^e with 1 + f in [sqrt(1/2), sqrt 2), for x > 0.
struct LogParts {
  VecF f, e;
};
PAG_INLINE LogParts log_parts(VecF x) {
  // Behind the point of 1, the bits of a denormal number x make x 2^126.
  const auto denormal = x < vset(1.17549435e-38f);
  const VecF one = vset(1.0f);
  const VecF scaled = vselect(denormal, (VecF)((VecI)x | (VecI)one) - one, x);
  const VecI offset = (VecI)scaled - 0x3f3504f3;  // bits of sqrt(1/2)
  const VecI exponent = (offset >> 23) - vselect(denormal, VecI{} + 126, VecI{});
  const VecF m = (VecF)((offset & 0x007fffff) + 0x3f3504f3);
  return {m - one, __builtin_convertvector(exponent, VecF)};
}
// log(1 + f) + low: with s = f/(2+f), log(1+f) = f - f^2/2 + s (f^2/2 + R),
// R = s^2 (2/3 + 2/5 s^2 + ...) (the series of 2 atanh s).
PAG_INLINE VecF log_of_parts(VecF f, VecF low) {
  const VecF s = f / (vset(2.0f) + f), s2 = s * s;
  const float c[] = {0.22222222f, 0.28571429f, 0.4f, 0.66666667f};
  const VecF r = s2 * vpolynomial(c, s2), half_square = vset(0.5f) * f * f;
  return f - (half_square - vfma(s, half_square + r, low));
}
// The logarithm y of x, or what it is outside (end, inf).
PAG_INLINE VecF log_at_ends(VecF x, VecF y, float end) {
  y = vselect(x == vset(__builtin_inff()), x, y);
  y = vselect(x == vset(end), vset(-__builtin_inff()), y);
  return vselect(x < vset(end), vset(__builtin_nanf("")), vselect(x != x, x, y));
}

// ln 2 is split as in reduce_by_ln2.
PAG_INLINE VecF vlog(VecF x) {
  const LogParts p = log_parts(x);
  const VecF y = log_of_parts(p.f, p.e * vset(-2.12194440e-4f));
  return log_at_ends(x, vfma(p.e, vset(0.693359375f), y), 0);
}

PAG_INLINE VecF vlog2(VecF x) {
  const LogParts p = log_parts(x);
  return log_at_ends(x, vfma(log_of_parts(p.f, VecF{}), vset(1.442695041f), p.e), 0);
}

// log10(2) is split in two floats, so that e times the first part is exact.
PAG_INLINE VecF vlog10(VecF x) {
  const LogParts p = log_parts(x);
  const VecF low = vfma(log_of_parts(p.f, VecF{}), vset(0.434294482f), p.e * vset(4.60503907e-6f));
  return log_at_ends(x, vfma(p.e, vset(0.301025391f), low), 0);
}

// log of 1 + x, and of what was lost in rounding that sum.
PAG_INLINE VecF vlog1p(VecF x) {
  const VecF one = vset(1.0f), sum = one + x, part = sum - one;
  const VecF lost = (one - (sum - part)) + (x - part);
  const LogParts p = log_parts(sum);
  const VecF e = vselect(p.e > vset(64.0f), vset(64.0f), p.e);  // beyond it nothing is to be seen
  const VecF f = vfma(lost, vpow2(-__builtin_convertvector(e, VecI)), p.f);
  VecF y = log_of_parts(f, p.e * vset(-2.12194440e-4f));
  y = log_at_ends(x, vfma(p.e, vset(0.693359375f), y), -1);
  return vselect(x == 0, x, y);
}

// tanh x = e / (e + 2) with e = expm1(2|x|); of a tiny x it is x, without arithmetic on it.
PAG_INLINE VecF vtanh(VecF x) {
  const VecF magnitude = vabs(x), tiny = vset(0x1p-30f);
  const VecF clamped = vclamp(magnitude, tiny, vset(9.1f));
  VecF n;
  const VecF p = expm1_reduced(reduce_by_ln2(clamped + clamped, &n));
  const VecF scale = vpow2(__builtin_convertvector(n, VecI));
  const VecF e = vfma(scale, p, scale - vset(1.0f));
  const VecF y = e / (e + vset(2.0f));
  const VecF with_sign = (VecF)((VecI)y | ((VecI)x & (VecI{} + INT32_MIN)));
  return vselect(magnitude >= tiny, with_sign, x);
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

}  // namespace
