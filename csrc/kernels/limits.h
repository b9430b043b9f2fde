// What the machine can do, for benchmarks to hold kernels against.
#pragma once
#include <cstdint>

namespace pag {

// At least `operations` multiplications and additions in registers, cut evenly over all threads.
template <class T>
void run_fma(int64_t operations);

// A plain copy of n bytes, in the chunks in which element-wise kernels work.
void copy_bytes(void* to, const void* from, int64_t n);

}  // namespace pag
