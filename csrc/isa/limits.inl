// The most that the arithmetic units do: a loop of independent fused multiply-adds in registers.
#include "isa/vec.h"

namespace {

// Enough chains to hide a latency of 5 cycles in two units.
constexpr int kFmaChains = 12;

// `steps` times kFmaChains vectors; the result keeps the compiler from dropping the loop.
template <class T>
T fma_loop(int64_t steps) {
  Vec<T> acc[kFmaChains];
  for (int i = 0; i < kFmaChains; ++i) acc[i] = vset(static_cast<T>(i));
  const Vec<T> factor = vset(static_cast<T>(0.5)), term = vset(static_cast<T>(0.25));
  for (; steps > 0; --steps) {
    _Pragma("GCC unroll 16") for (int i = 0; i < kFmaChains; ++i) acc[i] =
        vfma(acc[i], factor, term);
  }
  for (int i = 1; i < kFmaChains; ++i) acc[0] += acc[i];
  return acc[0][0];
}

}  // namespace
