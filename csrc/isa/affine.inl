// What ends most layers of networks in one pass: x * scale + shift, + more, relu, each but the
// first as wanted. Rounded like the ops one after the other.
#include "isa/vloop.h"

namespace {

template <class T, bool Affine, bool More, bool Relu>
void affine_loop(T* out, const T* x, T scale, T shift, const T* more, int64_t n) {
  const Vec<T> s = vset(scale), b = vset(shift);
  each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
    Vec<T> v = vload_lanes(x + i, lanes);
    if (Affine) v = v * s + b;
    if (More) v = v + vload_lanes(more + i, lanes);
    if (Relu) v = vselect(v <= 0, vzero(v), v);
    vstore_lanes(out + i, v, lanes);
  });
}

template <class T>
void affine_row(T* out, const T* x, const T* scale, const T* shift, const T* more, bool relu,
                int64_t n) {
  const T s = scale ? *scale : T(1), b = scale ? *shift : T(0);
  if (scale && more)
    relu ? affine_loop<T, true, true, true>(out, x, s, b, more, n)
         : affine_loop<T, true, true, false>(out, x, s, b, more, n);
  else if (scale)
    relu ? affine_loop<T, true, false, true>(out, x, s, b, more, n)
         : affine_loop<T, true, false, false>(out, x, s, b, more, n);
  else if (more)
    relu ? affine_loop<T, false, true, true>(out, x, s, b, more, n)
         : affine_loop<T, false, true, false>(out, x, s, b, more, n);
  else
    affine_loop<T, false, false, true>(out, x, s, b, more, n);
}

}  // namespace
