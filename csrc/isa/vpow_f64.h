// Powers of float64: 2^(b log2 |a|), the logarithm with 12 bits more than a double holds. What has
// 26 bits at most ("first" below) multiplies its like exactly.
#pragma once
#include "isa/vmath_f64.h"

namespace {

PAG_INLINE Pair split(VecD high, VecD low) {
  const VecD first = first_half(high + low);
  return {first, low - (first - high)};
}

// log2 x of finite x > 0 in two parts, first and rest. With s = f/(2+f), ln(1+f) is
// 2/3 s (3 + s^2 + 3/2 s^4 (2/5 + 2/7 s^2 + ...)).
PAG_INLINE Pair log2_pair(VecD x) {
  const LogPartsD p = log_parts(x);
  const VecD two = vset(2.0), three = vset(3.0), sum = two + p.f, inverse = vset(1.0) / sum;
  const VecD s = p.f * inverse, s_first = first_half(s);
  const VecD sum_first = first_half(sum), sum_rest = p.f - (sum_first - two);
  const VecD s_rest = ((p.f - s_first * sum_first) - s_first * sum_rest) * inverse;

  const double c[] = {
      0.11723178623876518, 0.11706236339491206, 0.1333480469384731,  0.1538459496251843,
      0.18181818335392802, 0.22222222221655885, 0.28571428571429364, 0.4};
  const VecD s2 = s * s, square = s_first * s_first;
  const VecD more = vfma(s_rest, s_first + s, vset(1.5) * s2 * s2 * vpolynomial(c, s2));
  const VecD factor = first_half(three + square + more);
  const VecD factor_rest = more - ((factor - three) - square);
  const Pair ln = split(s_first * factor, vfma(s_rest, factor, factor_rest * s));

  const VecD scale_first = vset(0.9617966860532761), scale_rest = vset(7.872699542894897e-09);
  const VecD high = ln.high * scale_first;
  const VecD low = vfma(ln.high, scale_rest, ln.low * vset(0.9617966939259756));  // 2 / (3 ln 2)
  const VecD total = first_half(p.e + (high + low));
  return {total, low - ((total - p.e) - high)};
}

PAG_INLINE VecD vpow(VecD a, VecD b) {
  const VecD magnitude = vabs(a), one = vset(1.0), infinity = vset(__builtin_inf());
  const Pair log2 = log2_pair(magnitude);
  // beyond 2^65, infinity included, b gives 0, 1 or infinity, as 2^65 does
  const VecD bounded = vclamp(b, vset(-0x1p65), vset(0x1p65)), b_first = first_half(bounded);
  const VecD high = b_first * log2.high;
  const VecD low = vfma(bounded - b_first, log2.high, bounded * log2.low);
  VecL bits;
  const VecD n = round_small(vclamp(high + low, vset(-1076.0), vset(1024.0)), &bits);
  const Pair part = split(vclamp(high - n, -one, one), vclamp(low, -one, one));
  const Pair r = add_smaller(
      part.high * vset(0.6931471675634384),
      vfma(part.high, vset(1.2996506893889889e-08), part.low * vset(0.6931471805599453)));
  const Pair sum = add_smaller(one, r.high);
  VecD y = scale_by_pow2(sum.high + (sum.low + (r.low + expm1_rest(r.high))), n, bits);

  const auto whole = vround(b) == b, odd = whole & (vround(vset(0.5) * b) != vset(0.5) * b);
  const auto edge = (a == 0) | (magnitude == infinity);
  y = vselect(edge, vselect((b > 0) == (magnitude > one), infinity, VecD{}), y);
  y = vselect((a < 0) & ~(edge | whole), vset(__builtin_nan("")), y);
  y = (VecD)((VecL)y | ((VecL)a & (VecL)odd & kSignBit));
  y = vselect((a == a) & (b == b), y, a + b);
  y = vselect(b == vset(2.0), a * a, vselect(b == one, a, y));  // as products are
  return vselect((b == 0) | (a == one), one, y);
}

}  // namespace
