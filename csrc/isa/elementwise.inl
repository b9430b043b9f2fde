// One contiguous loop per op and dtype. The tail goes through the same vector expression as the
// body, so a value never depends on its place in the array.
//
// Loops whose elements differ in size (tests, choices, casts) are left to the compiler, which
// vectorises them; their expressions are exact, or round once, wherever they stand.
#include "isa/vmath.h"
#include "isa/vnormal.h"
#include "isa/vpower.h"
#include "isa/vtrig.h"

// out may be an operand of the same layout, which the compiler would take for a dependency.
#ifdef __clang__
#define PAG_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define PAG_INDEPENDENT _Pragma("GCC ivdep")
#endif

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

// Of what the result's dtype does not hold (NaN, too large), some number of it.
template <class Out, class T>
PAG_INLINE Out convert(T x) {
  if constexpr (sizeof(Out) == 1 && sizeof(T) >= 4)
    return static_cast<Out>(static_cast<int32_t>(x));
  else
    return static_cast<Out>(x);
}

#define LOOP_any(name, arity, expression)                                                        \
  template <class T>                                                                             \
  void loop_##name(void* out, const void* const* in, int64_t n) {                                \
    elementwise_loop<T, arity>(out, in, n,                                                       \
                               [](Vec<T> a, Vec<T> b, Vec<T> c) __attribute__((always_inline)) { \
                                 (void)b, (void)c;                                               \
                                 return Vec<T>(expression);                                      \
                               });                                                               \
  }
#define LOOP_real LOOP_any
#define LOOP_power(name, arity, expression)                                                 \
  template <class T>                                                                        \
  void loop_##name(void* out, const void* const* in, int64_t n) {                           \
    const T *base = static_cast<const T*>(in[0]), *exponent = static_cast<const T*>(in[1]); \
    if (n > 0 && all_equal(exponent, n) &&                                                  \
        common_power_loop<0>(static_cast<T*>(out), base, exponent[0], n))                   \
      return;                                                                               \
    elementwise_loop<T, arity>(out, in, n,                                                  \
                               [](Vec<T> a, Vec<T> b, Vec<T>)                               \
                                   __attribute__((always_inline)) { return expression; });  \
  }
#define LOOP_test(name, arity, expression)                         \
  template <class T>                                               \
  void loop_##name(void* out_, const void* const* in, int64_t n) { \
    uint8_t* out = static_cast<uint8_t*>(out_);                    \
    const T* left = static_cast<const T*>(in[0]);                  \
    const T* right = static_cast<const T*>(in[(arity) - 1]);       \
    PAG_INDEPENDENT for (int64_t i = 0; i < n; ++i) {              \
      const T a = left[i], b = right[i];                           \
      (void)b;                                                     \
      out[i] = expression;                                         \
    }                                                              \
  }
#define LOOP_choice(name, arity, expression)                       \
  template <class T>                                               \
  void loop_##name(void* out_, const void* const* in, int64_t n) { \
    T* out = static_cast<T*>(out_);                                \
    const uint8_t* condition = static_cast<const uint8_t*>(in[0]); \
    const T* yes = static_cast<const T*>(in[1]);                   \
    const T* no = static_cast<const T*>(in[2]);                    \
    PAG_INDEPENDENT for (int64_t i = 0; i < n; ++i) {              \
      const uint8_t a = condition[i];                              \
      const T b = yes[i], c = no[i];                               \
      out[i] = expression;                                         \
    }                                                              \
  }
#define LOOP_cast(name, arity, expression)                                                 \
  template <class T>                                                                       \
  void loop_##name(void* out_, const void* const* in, int64_t n) {                         \
    expression* out = static_cast<expression*>(out_);                                      \
    const T* from = static_cast<const T*>(in[0]);                                          \
    PAG_INDEPENDENT for (int64_t i = 0; i < n; ++i) out[i] = convert<expression>(from[i]); \
  }
#define UNARY(name, domain, expression) LOOP_##domain(name, 1, expression)
#define BINARY(name, domain, expression) LOOP_##domain(name, 2, expression)
#define TERNARY(name, domain, expression) LOOP_##domain(name, 3, expression)
#include "isa/opcodes.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef LOOP_any
#undef LOOP_real
#undef LOOP_power
#undef LOOP_test
#undef LOOP_choice
#undef LOOP_cast

}  // namespace
