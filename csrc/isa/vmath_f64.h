// Vector transcendental functions of float64: the exponential and the logarithm, and what is made
// of them. Polynomials are from docs/fit_polynomials.py; no step counts on a fused multiply-add,
// which the baseline build has not, nor on arithmetic with denormal numbers, which is slow.
#pragma once
#include "isa/vec.h"

namespace {

template <int N>
PAG_INLINE VecD vpolynomial(const double (&coefficients)[N], VecD x) {  // highest power first
  VecD p = vset(coefficients[0]);
  for (int i = 1; i < N; ++i) p = vfma(p, x, vset(coefficients[i]));
  return p;
}

constexpr int64_t kSignBit = INT64_MIN;
PAG_INLINE VecD with_sign_of(VecD x, VecD magnitude) {
  return (VecD)((VecL)magnitude | ((VecL)x & kSignBit));
}

// The first 26 bits: the product of two such numbers is exact.
PAG_INLINE VecD first_half(VecD x) { return (VecD)((VecL)x & -(int64_t{1} << 27)); }

// high + low, which is much smaller.
struct Pair {
  VecD high, low;
};
// a + b exactly; the first, where |a| >= |b| or a = 0.
PAG_INLINE Pair add_smaller(VecD a, VecD b) {
  const VecD sum = a + b;
  return {sum, b - (sum - a)};
}
PAG_INLINE Pair add_exactly(VecD a, VecD b) {
  const VecD sum = a + b, part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}

// f is the identity where |x| < limit: there it is not computed.
template <class F>
PAG_INLINE VecD beyond_tiny(VecD x, double limit, F f) {
  const auto tiny = vabs(x) < vset(limit);
  return vselect(tiny, x, f(vselect(tiny, VecD{}, x)));
}

// ---- the exponential ----------------------------------------------------------------------------

// The integer nearest to x, |x| < 2^51; the low bits of *bits are it, too.
PAG_INLINE VecD round_small(VecD x, VecL* bits) {
  const VecD shift = vset(6755399441055744.0), sum = x + shift;  // 1.5 * 2^52
  *bits = (VecL)sum;
  return sum - shift;
}
PAG_INLINE VecD vpow2(VecL n) { return (VecD)((n + 1023) << 52); }  // -1023 < n < 1024

// x = n ln 2 + r + low, |r| <= ln 2 / 2. The first part of ln 2 has 33 bits: n times it is exact.
struct ByLn2 {
  VecD n, r, low;
  VecL bits;  // of n
};
PAG_INLINE ByLn2 reduce_by_ln2(VecD x) {
  ByLn2 y;
  y.n = round_small(x * vset(1.4426950408889634), &y.bits);
  const VecD part = vfma(y.n, vset(-0.6931471804855391), x);
  const VecD rest = y.n * vset(7.440617110012397e-11);
  y.r = part - rest;
  y.low = (part - y.r) - rest;
  return y;
}
// exp(r) - 1 - r on |r| <= ln 2 / 2.
PAG_INLINE VecD expm1_rest(VecD r) {
  const double c[] = {2.091794265729657e-09,
                      2.510547362778044e-08,
                      2.7557264856701486e-07,
                      2.755725478206496e-06,
                      2.480158733373169e-05,
                      0.00019841269875309184,
                      0.0013888888888880693,
                      0.008333333333325995,
                      0.04166666666666667,
                      0.1666666666666667,
                      0.5};
  return r * r * vpolynomial(c, r);
}

// p 2^n for p near 1 and -1077 < n < 1025: beyond what doubles hold, inf and 0. A denormal result
// is its own bits, a whole number: rounded by an addition, it takes no denormal arithmetic.
PAG_INLINE VecD scale_by_pow2(VecD p, VecD n, VecL bits) {
#if PAG_VEC_BYTES == 64
  const VecD normal = (VecD)_mm512_scalef_pd((__m512d)p, (__m512d)n);
#else  // above 0 in two factors: 2^1024 is too large
  const auto positive = n > 0;
  const VecD normal = vselect(positive, p + p, p) * vpow2(bits + (VecL)positive);
#endif
  const VecD whole = vset(0x1p52);
  const VecL denormal = (VecL)vfma(p, vpow2(bits + 1074), whole) - (VecL)whole;
  return vselect(n < vset(-1022.0), (VecD)denormal, normal);
}

// What is added changes no result, but makes denormal numbers normal.
PAG_INLINE VecD vexp(VecD x) {
  const ByLn2 y = reduce_by_ln2(vclamp(x, vset(-746.0), vset(709.8)) + vset(0x1p-100));
  return scale_by_pow2(vset(1.0) + (y.r + expm1_rest(y.r)), y.n, y.bits);
}

PAG_INLINE VecD vexp2(VecD x) {
  VecL bits;
  const VecD clamped = vclamp(x, vset(-1076.0), vset(1024.0)), n = round_small(clamped, &bits);
  const VecD r = (clamped - n) * vset(0.6931471805599453);
  return scale_by_pow2(vset(1.0) + (r + expm1_rest(r)), n, bits);
}

// (2^n - 1) + 2^n r, rounded once, and the rest; in halves: n reaches 1024.
PAG_INLINE VecD vexpm1(VecD x) {
  return beyond_tiny(x, 0x1p-54, [](VecD a) __attribute__((always_inline)) {
    const ByLn2 y = reduce_by_ln2(vclamp(a, vset(-40.0), vset(709.8)));
    const VecD half = vpow2(y.bits - 1);
    const Pair sum = add_smaller(half - vset(0.5), half * y.r);
    const VecD result = sum.high + vfma(half, y.low + expm1_rest(y.r), sum.low);
    return result + result;
  });
}

// ---- the logarithm ------------------------------------------------------------------------------

// x = (1 + f) 2^e with 1 + f in [sqrt(1/2), sqrt 2), for x > 0.
struct LogPartsD {
  VecD f, e;
};
PAG_INLINE LogPartsD log_parts(VecD x) {
  using VecU = Vec<uint64_t>;
  const VecD one = vset(1.0), whole = vset(0x1p52);
  const int64_t root = 0x3fe6a09e667f3bcd;  // bits of sqrt(1/2)
  // Behind the point of 1, the bits of a denormal number x make x 2^1022.
  const auto denormal = x < vset(0x1p-1022);
  const VecD scaled = vselect(denormal, (VecD)((VecL)x | (VecL)one) - one, x);
  const VecL offset = (VecL)scaled - root;
  const VecL exponent = (VecL)((VecU)(offset + (int64_t{1024} << 52)) >> 52);  // and 1024
  const VecD bias = vselect(denormal, vset(0x1p52 + 2046.0), vset(0x1p52 + 1024.0));
  const VecD m = (VecD)((offset & ((int64_t{1} << 52) - 1)) + root);
  return {m - one, (VecD)(exponent | (VecL)whole) - bias};
}
// With s = f/(2+f), log(1+f) = f - f^2/2 + s (f^2/2 + R), R = s^2 (2/3 + 2/5 s^2 + ...) (the series
// of 2 atanh s). Returns s (f^2/2 + R) + low.
PAG_INLINE VecD log_rest(VecD f, VecD half_square, VecD low) {
  const VecD s = f / (vset(2.0) + f), s2 = s * s;
  const double c[] = {0.14616585424888623, 0.15331710618210773, 0.18182889455674947,
                      0.22222211130259878, 0.2857142862600327,  0.39999999999899444,
                      0.666666666666667};
  return vfma(s, vfma(s2, vpolynomial(c, s2), half_square), low);
}
PAG_INLINE VecD log_of_parts(VecD f, VecD low) {
  const VecD half_square = vset(0.5) * f * f;
  return f - (half_square - log_rest(f, half_square, low));
}
// The logarithm y of x, or what it is outside (end, inf).
PAG_INLINE VecD log_at_ends(VecD x, VecD y, double end) {
  y = vselect(x == vset(__builtin_inf()), x, y);
  y = vselect(x == vset(end), vset(-__builtin_inf()), y);
  return vselect(x < vset(end), vset(__builtin_nan("")), vselect(x != x, x, y));
}

// ln 2 is split as in reduce_by_ln2.
PAG_INLINE VecD log_of_parts(LogPartsD p, VecD low) {
  return vfma(p.e, vset(0.6931471804855391),
              log_of_parts(p.f, vfma(p.e, vset(7.440617110012397e-11), low)));
}
PAG_INLINE VecD vlog(VecD x) { return log_at_ends(x, log_of_parts(log_parts(x), VecD{}), 0); }

// To another base: log(1 + f) in two parts, the first of 21 bits, times 1 / ln(base) in two parts,
// the first of 32; plus e log(2), whose first part of 40 bits times e is exact.
struct LogBase {
  double one_by_ln, one_by_ln_low, log_2, log_2_low;
};
PAG_INLINE VecD log_to_base(VecD x, LogBase base) {
  const LogPartsD p = log_parts(x);
  const VecD half_square = vset(0.5) * p.f * p.f, difference = p.f - half_square;
  const VecD high = (VecD)((VecL)difference & -(int64_t{1} << 32));
  const VecD low = ((p.f - high) - half_square) + log_rest(p.f, half_square, VecD{});
  const Pair sum = add_smaller(p.e * vset(base.log_2), high * vset(base.one_by_ln));
  const VecD rest = vfma(p.e, vset(base.log_2_low), sum.low);
  const VecD y = vfma(low, vset(base.one_by_ln), vfma(low + high, vset(base.one_by_ln_low), rest));
  return log_at_ends(x, sum.high + y, 0);
}
PAG_INLINE VecD vlog2(VecD x) {
  return log_to_base(x, {1.4426950407214463, 1.6751713164886512e-10, 1, 0});
}
PAG_INLINE VecD vlog10(VecD x) {
  return log_to_base(
      x, {0.4342944818781689, 2.5082946711645275e-11, 0.30102999566361177, 3.694239077158931e-13});
}

// log of the sum 1 + x, and lost / sum for what was lost in rounding it: in terms of f,
// lost 2^-e / (1 + f), and 1 / (1 + f) is about 1 - f + f^2 - f^3.
PAG_INLINE VecD vlog1p(VecD x) {
  return beyond_tiny(x, 0x1p-54, [](VecD a) __attribute__((always_inline)) {
    const VecD one = vset(1.0);
    const Pair sum = add_exactly(one, a);
    const LogPartsD p = log_parts(sum.high);
    const VecL shrink = (VecL)(p.f + one) - (VecL)sum.high + (VecL)one;  // bits of 2^-e
    const VecD lost = vselect(a < vset(0x1p60), sum.low * (VecD)shrink, VecD{});
    const VecD inverse = one - p.f * (one - p.f * (one - p.f));
    return log_at_ends(a, log_of_parts(p, lost * inverse), -1);
  });
}

// ---- what is made of exponentials ---------------------------------------------------------------

// tanh x = e / (e + 2) with e = expm1(2|x|).
PAG_INLINE VecD vtanh(VecD x) {
  return beyond_tiny(x, 0x1p-28, [](VecD a) __attribute__((always_inline)) {
    const VecD clamped = vclamp(vabs(a), VecD{}, vset(22.0));
    const ByLn2 y = reduce_by_ln2(clamped + clamped);
    const VecD scale = vpow2(y.bits);
    const Pair sum = add_smaller(scale - vset(1.0), scale * y.r);
    const VecD e = sum.high + vfma(scale, y.low + expm1_rest(y.r), sum.low);
    return with_sign_of(a, e / (e + vset(2.0)));
  });
}

// By exp(-|x|), which never overflows: 1/(1+e) for x >= 0 and e/(1+e) below.
PAG_INLINE VecD vsigmoid(VecD x) {
  const VecD e = vexp(-vabs(x)), one = vset(1.0);
  return vselect(x >= 0, one, e) / (one + e);
}

// log(1 + exp x) = max(x, 0) + log(1 + e), e = exp(-|x|); with s = e / (2+e), log(1 + e) =
// e - s (e - R), R as in log_rest.
PAG_INLINE VecD vsoftplus(VecD x) {
  const VecD e = vexp(-vabs(x)), s = e / (vset(2.0) + e), s2 = s * s;
  const double c[] = {0.1616404561194353,  0.08800738486144674, 0.12001072809590713,
                      0.13314144209654935, 0.15385570064958623, 0.18181789436132859,
                      0.22222222717427864, 0.2857142856710876,  0.40000000000014585,
                      0.6666666666666666};
  return vselect(x <= 0, VecD{}, x) + (e - s * (e - s2 * vpolynomial(c, s2)));
}

}  // namespace
