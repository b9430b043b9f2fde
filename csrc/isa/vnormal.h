// The error function, and the activations that are made of it or of sigmoids, with their slopes.
#pragma once
#include "isa/vmath.h"

extern "C" {
double erf(double);
double erfc(double);
}

namespace {

// A number in every lane of a vector like the first argument.
PAG_INLINE VecF vconstant(VecF, double value) { return vset(static_cast<float>(value)); }
PAG_INLINE VecD vconstant(VecD, double value) { return vset(value); }

// The normal distribution below -t, for t >= 0, and exp(-t^2/2): the tail is that times
// s (c0 + c1 s + ...), s = 1 / (1 + 0.35 t), where the polynomial is fitted to 0.6 units of 2^-24.
PAG_INLINE VecF normal_tail(VecF t, VecF* bell) {
  t = vclamp(t, VecF{}, vset(15.0f));  // exp is 0 from there on
  // t^2 = high^2, which is exact, and the rest: rounding it would cost as many ulp as t^2 has.
  const VecF high = (VecF)((VecI)t & -4096), rest = (t - high) * (t + high), half = vset(-0.5f);
  VecF n;
  const VecF r = vfma(half, rest, reduce_by_ln2(half * high * high, &n));
  *bell = scale_by_pow2(expm1_reduced(r) + vset(1.0f), n);
  const VecF s = vset(1.0f) / vfma(t, vset(0.35f), vset(1.0f));
  const float c[] = {-0.0291580302f, 0.144031611f, -0.255840403f, 0.159321254f, -0.0232133943f,
                     0.105552927f,   0.119821185f, 0.139863529f,  0.139621306f};
  return *bell * s * vpolynomial(c, s);
}
PAG_INLINE VecD normal_tail(VecD t, VecD* bell) {
  *bell = vexp(vset(-0.5) * t * t);
  return vset(0.5) * vlanes(t * vset(0.70710678118654752), erfc);
}

// x P(x^2) up to 1, and 1 - 2 tail beyond, where the tail is small.
PAG_INLINE VecF verf(VecF x) {
  const VecF magnitude = vabs(x), x2 = x * x;
  const float c[] = {7.85385772e-05f, -0.000801019252f, 0.00518832756f, -0.0268538119f,
                     0.112835851f,    -0.376126258f,    0.128379167f};
  const VecF near = vfma(x, vpolynomial(c, x2), x);
  VecF bell;
  const VecF far = vset(1.0f) - vset(2.0f) * normal_tail(magnitude * vset(1.41421356f), &bell);
  const VecF far_signed = (VecF)((VecI)far | ((VecI)x & INT32_MIN));
  return vselect(magnitude < vset(1.0f), near, vselect(x != x, x, far_signed));
}
PAG_INLINE VecD verf(VecD x) { return vlanes(x, erf); }

// ---- x times the normal distribution below x ----------------------------------------------------

template <class V>
PAG_INLINE V vgelu(V x) {
  V bell;
  const V tail = normal_tail(vabs(x), &bell);
  return x * vselect(x < 0, tail, vone(x) - tail);
}
// That distribution, and x times its density.
template <class V>
PAG_INLINE V vgelu_slope(V x) {
  V bell;
  const V tail = normal_tail(vabs(x), &bell);
  return vselect(x < 0, tail, vone(x) - tail) + x * bell * vconstant(x, 0.39894228040143268);
}

// ---- x times a sigmoid --------------------------------------------------------------------------

template <class V>
PAG_INLINE V vsilu(V x) {
  return x * vsigmoid(x);
}
template <class V>
PAG_INLINE V vsilu_slope(V x) {
  const V s = vsigmoid(x);
  return s + x * (s * (vone(x) - s));
}

// The approximation of gelu by a sigmoid: of 2 sqrt(2 / pi) (x + 0.044715 x^3).
template <class V>
PAG_INLINE V vgelu_tanh(V x) {
  const V x2 = x * x, c = vconstant(x, 1.5957691216057308), d = vconstant(x, 0.071354816272600247);
  return x * vsigmoid(x * (c + d * x2));
}
template <class V>
PAG_INLINE V vgelu_tanh_slope(V x) {
  const V x2 = x * x, c = vconstant(x, 1.5957691216057308), d = vconstant(x, 0.071354816272600247);
  const V s = vsigmoid(x * (c + d * x2));
  return s + x * (s * (vone(x) - s)) * (c + d * x2 * vconstant(x, 3));
}

// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2), which is 1 from 20 on.
template <class V>
PAG_INLINE V mish_power(V x) {
  const V limit = vconstant(x, 20);
  const V e = vexp(vselect(x > limit, limit, x));
  return e * (e + vconstant(x, 2));
}
template <class V>
PAG_INLINE V vmish(V x) {
  const V n = mish_power(x);
  return x * (n / (n + vconstant(x, 2)));
}
// t + x (1 - t^2) sigmoid(x), t = n / (n + 2), 1 - t^2 = 4 (n + 1) / (n + 2)^2
template <class V>
PAG_INLINE V vmish_slope(V x) {
  const V n = mish_power(x), two = vconstant(x, 2), r = vone(x) / (n + two);
  return n * r + x * (vconstant(x, 4) * (n + vone(x)) * r * r) * vsigmoid(x);
}

// x relu6(x + 3) / 6
template <class V>
PAG_INLINE V vhardswish(V x) {
  const V three = vconstant(x, 3), six = vconstant(x, 6);
  const V inner = x * (x + three) / six;
  return vselect(x <= -three, vzero(x), vselect(x >= three, x, inner));
}
template <class V>
PAG_INLINE V vhardswish_slope(V x) {
  const V three = vconstant(x, 3), inner = x / three + vconstant(x, 0.5);
  return vselect(x <= -three, vzero(x), vselect(x >= three, vone(x), inner));
}

}  // namespace
