// Powers. The common exponents take a few multiplications, a division or a root: off by less than
// 2 ulp, and as fast as a product where the exponents of a call are one number, as mostly.
#pragma once
#include "isa/vloop.h"
#include "isa/vmath.h"
#include "isa/vnormal.h"

namespace {

constexpr double kCommonPowers[] = {2, 3, -1, -2, 0.5, -0.5};
constexpr int kCommon = 6;

template <int Which, class V>
PAG_INLINE V common_power(V a) {
  if constexpr (Which == 0) return a * a;
  if constexpr (Which == 1) return a * a * a;
  const V one = vone(a);
  if constexpr (Which == 2) return one / a;
  if constexpr (Which == 3) return (one / a) * (one / a);
  // Not the square root where a is -0 or -inf.
  const V infinity = vconstant(a, __builtin_inf());
  const V root = vselect(a == -infinity, infinity, vsqrt(a + vzero(a)));
  if constexpr (Which == 4) return root;
  return one / root;
}

template <int Which, class V>
PAG_INLINE V with_common_powers(V y, V a, V b) {
  if constexpr (Which == kCommon) {
    return y;
  } else {
    const V e = vconstant(b, kCommonPowers[Which]);
    return with_common_powers<Which + 1>(vselect(b == e, common_power<Which>(a), y), a, b);
  }
}

// The same value for an element whatever the exponents beside it.
template <class V>
PAG_INLINE V vpower(V a, V b) {
  return with_common_powers<0>(vpow(a, b), a, b);
}

template <class T>
PAG_INLINE bool all_equal(const T* x, int64_t n) {
  const Vec<T> first = vset(x[0]);
  bool equal = true;
  each_vector<T>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
    equal = equal && !vany(vkeep_lanes<T>(vload_lanes(x + i, lanes), lanes, first) != first);
  });
  return equal;
}

// Whether b is that of the common exponents from Which on, and then out = a^b.
template <int Which, class T>
PAG_INLINE bool common_power_loop(T* out, const T* a, T b, int64_t n) {
  if constexpr (Which == kCommon) {
    return false;
  } else {
    if (b != static_cast<T>(kCommonPowers[Which]))
      return common_power_loop<Which + 1>(out, a, b, n);
    each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
      vstore_lanes(out + i, common_power<Which>(vload_lanes(a + i, lanes)), lanes);
    });
    return true;
  }
}

}  // namespace
