// One contiguous loop per op and dtype. The tail goes through the same vector expression as the
// body, so a value never depends on its place in the array.
#include "isa/vmath.h"
#include "isa/vnormal.h"
#include "isa/vtrig.h"

namespace {

template <class T, int Arity, class F>
PAG_INLINE void elementwise_loop(void* out_, const void* const* in_, int64_t n, F f) {
  T* out = static_cast<T*>(out_);
  const T* a = static_cast<const T*>(in_[0]);
  const T* b = static_cast<const T*>(in_[Arity > 1 ? 1 : 0]);
  const T* c = static_cast<const T*>(in_[Arity > 2 ? 2 : 0]);
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) vstore(out + i, f(vload(a + i), vload(b + i), vload(c + i)));
  if (const int rest = static_cast<int>(n - i))
    vstore(out + i, f(vload(a + i, rest), vload(b + i, rest), vload(c + i, rest)), rest);
}

#define LOOP(name, arity, expression)                                                            \
  template <class T>                                                                             \
  void loop_##name(void* out, const void* const* in, int64_t n) {                                \
    elementwise_loop<T, arity>(out, in, n,                                                       \
                               [](Vec<T> a, Vec<T> b, Vec<T> c) __attribute__((always_inline)) { \
                                 (void)b, (void)c;                                               \
                                 return Vec<T>(expression);                                      \
                               });                                                               \
  }
#define UNARY(name, domain, expression) LOOP(name, 1, expression)
#define BINARY(name, domain, expression) LOOP(name, 2, expression)
#define TERNARY(name, domain, expression) LOOP(name, 3, expression)
#include "isa/opcodes.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef LOOP

}  // namespace
