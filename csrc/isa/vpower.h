// Powers. The common exponents take a few multiplications, a division or a root, as fast as a
// product where all of a vector have the same; they are off by less than 2 ulp.
#pragma once
#include "isa/vloop.h"
#include "isa/vmath.h"
#include "isa/vnormal.h"

namespace {

constexpr double kCommonPowers[] = {2, 3, -1, -2, 0.5, -0.5};

template <class V>
PAG_INLINE V common_power(int which, V a) {
  const V inverse = vone(a) / a;
  // Not the square root where a is -0 or -inf.
  const V infinity = vconstant(a, __builtin_inf());
  const V root = vselect(a == -infinity, infinity, vsqrt(a + vzero(a)));
  switch (which) {
    case 0:
      return a * a;
    case 1:
      return a * a * a;
    case 2:
      return inverse;
    case 3:
      return inverse * inverse;
    case 4:
      return root;
    default:
      return vone(a) / root;
  }
}

// The same value for an element whatever the exponents beside it.
template <class V>
PAG_INLINE V vpower(V a, V b) {
  _Pragma("GCC unroll 6")
  for (int k = 0; k < 6; ++k) {
    const V e = vconstant(b, kCommonPowers[k]);
    if (vany((b != e) & (b != 0))) continue;  // 0 in the lanes beyond the end of an array
    return vselect(b == 0, vone(a), common_power(k, a));
  }
  V y = vpow(a, b);
  _Pragma("GCC unroll 6")
  for (int k = 0; k < 6; ++k)
    y = vselect(b == vconstant(b, kCommonPowers[k]), common_power(k, a), y);
  return y;
}

}  // namespace
