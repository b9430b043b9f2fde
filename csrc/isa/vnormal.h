// The error function, and the activations that are made of it or of sigmoids, with their slopes.
#pragma once
#include "isa/vmath.h"

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
// In float64 the tail is exp(-t^2/2) s (c0 + c1 q + ...), s = 1 / (t + 3.5), q = 1 - 7 s, which
// goes from -1 at 0 to 1 at infinity.
PAG_INLINE VecD normal_tail(VecD t, VecD* bell) {
  t = vclamp(t, VecD{}, vset(39.0));  // exp is 0 from there on
  const VecD high = first_half(t), rest = (t - high) * (t + high), half = vset(-0.5);
  const ByLn2 y = reduce_by_ln2(half * high * high);
  const VecD r = vfma(half, rest, y.r);
  *bell = scale_by_pow2(vset(1.0) + (r + (y.low + expm1_rest(r))), y.n, y.bits);
  const VecD s = vset(1.0) / (t + vset(3.5)), q = vfma(s, vset(-7.0), vset(1.0));
  const double c[] = {1.5691103766456627e-09,  5.062059415246328e-09,   -4.1057852555823515e-09,
                      -3.690785771190413e-08,  -2.98157162047873e-08,   1.248249015759425e-07,
                      2.9423445557605215e-07,  -1.4402013511507835e-07, -1.4791427717652125e-06,
                      -1.1645880536733884e-06, 5.6519413985765165e-06,  1.1506486478907127e-05,
                      -1.878891681913762e-05,  -7.558463136719157e-05,  6.703323764980577e-05,
                      0.0004766570988030791,   -0.00044501295099115713, -0.003189101048143628,
                      0.006476218919948955,    0.017407832602043358,    -0.1160509287140811,
                      0.31542496988795254,     -0.565561816053779,      0.7444160754359381};
  return *bell * s * vpolynomial(c, q);
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
// Beyond 1, where the tail need not be as exact: 1 - exp(-x^2) s P(14.4 s - 2.6), s = 1 / (x + 3).
PAG_INLINE VecD verf(VecD x) {
  const VecD magnitude = vabs(x), one = vset(1.0);
  const VecD z_root = vclamp(magnitude, vset(0x1p-500), one);
  const double c[] = {-7.795898827002142e-10, 1.3720064546777686e-08, -1.6208483801871705e-07,
                      1.6447424703317362e-06, -1.492473690741966e-05, 0.00012055294904839707,
                      -0.0008548325975389692, 0.0052239776071164225,  -0.02686617064323777,
                      0.11283791670945006,    -0.37612638903183543,   0.12837916709551256};
  const VecD near = vfma(x, vpolynomial(c, z_root * z_root), x);

  const double d[] = {5.846046243884681e-12,   7.243567867179394e-11,  -2.9733808358351237e-10,
                      -2.929897441311555e-09,  1.144955465138352e-08,  1.3352050599552664e-07,
                      -2.8199394431314153e-07, -7.246250993779339e-06, -1.6087764735353012e-05,
                      0.0003235437870562923,   0.003933868783795967,   0.02547407280005636,
                      0.11683673753802092,     0.41188209621002847,    1.1519074596928367};
  const VecD t = vclamp(magnitude, one, vset(6.0)), s = one / (t + vset(3.0));
  const ByLn2 y = reduce_by_ln2(-(t * t));
  const VecD bell = vpow2(y.bits) * (one + (y.r + expm1_rest(y.r)));
  const VecD far = one - bell * s * vpolynomial(d, vfma(vset(14.4), s, vset(-2.6)));
  return vselect(magnitude < one, near, with_sign_of(x, far));
}

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
