// Reductions to integers and to truth values, of integers and bools.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/reduce.h"

namespace pag {

enum class IntegerReduction { kSum, kProduct, kAll, kAny };

// Sums and products as int64_t, which wrap around; kAll and kAny as bytes 0 and 1. T: int64_t,
// int32_t, uint8_t.
template <class T>
void reduce_integers(IntegerReduction kind, const T* x, const std::vector<ReducePass>& passes,
                     void* out);

}  // namespace pag
