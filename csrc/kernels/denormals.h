// What a thread's arithmetic does with denormal numbers, those nearer to 0 than 1.2e-38 (float32).
//
// Many processors take 150 cycles for each vector that has one, where others take 4. Weights that
// decay and moments of gradients that have died get there on their own, so training could become
// slower with every step. Sums of products, and what else only training does with small numbers
// (norms, losses, optimiser steps), lose nothing if those numbers count as 0: there FlushDenormals
// is in force, from where the kernel is entered. Element-wise functions, comparisons and whatever
// moves data are exact for denormals too, and stay so.
#pragma once
#include <cstdint>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace pag {

// The calling thread's way of computing: rounding, denormals. Workers take over that of the thread
// that called them; else bits would depend on which thread a chunk fell to.
using FloatControl = uint64_t;

inline FloatControl float_control() {
#if defined(__SSE2__)
  return _mm_getcsr() & 0xffc0u;  // without the flags of what has happened
#elif defined(__aarch64__)
  FloatControl control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  return control;
#else
  return 0;
#endif
}

inline void set_float_control(FloatControl control) {
#if defined(__SSE2__)
  _mm_setcsr(static_cast<unsigned>(control) | (_mm_getcsr() & 0x3fu));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(control));
#else
  (void)control;
#endif
}

#if defined(__SSE2__)
constexpr FloatControl kFlush = 0x8040;  // denormal results, and denormal operands
#elif defined(__aarch64__)
constexpr FloatControl kFlush = FloatControl{1} << 24;
#else
constexpr FloatControl kFlush = 0;
#endif

bool flushes_denormals();
void flush_denormals(bool wanted);  // true at first

// Scope in which this thread, and workers that it calls, take denormals for 0.
class FlushDenormals {
 public:
  FlushDenormals() : before_(float_control()) {
    if (flushes_denormals()) set_float_control(before_ | kFlush);
  }
  ~FlushDenormals() {
    if (float_control() != before_) set_float_control(before_);
  }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  FloatControl before_;
};

}  // namespace pag
