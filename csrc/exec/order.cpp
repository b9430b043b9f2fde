// Sorting and running values along one dimension.
#include "kernels/order.h"

#include <limits>

#include "exec/plan.h"

namespace pag {
// ints: dim, descending, count; out: values, positions
Step sort_step(const Call& call) {
  const Operand& x = call.in[0];
  const ReducePass s = split_at(x, call.ints[0]);
  const bool descending = call.ints[1] != 0;
  const int64_t count = call.ints[2];
  if (!call.contiguous() || s.n > std::numeric_limits<uint32_t>::max()) return {};
  return with_dtype(x.dtype, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(x), values(call.out[0]);
    const Pointer<int64_t> positions(call.out[1]);
    return [=](Slots slots) {
      sort<T>(from(slots), s.outer, s.n, s.inner, descending, count, values(slots),
              positions(slots));
    };
  });
}

// ints: dim, backwards
Step running_sum_step(const Call& call) {
  if (!call.contiguous() || call.in[0].dtype != call.out[0].dtype) return {};
  const Operand& x = call.in[0];
  const ReducePass s = split_at(x, call.ints[0]);
  const bool backwards = call.ints[1] != 0;
  return with_dtype(x.dtype, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(x), to(call.out[0]);
    return [=](Slots slots) {
      running_sum<T>(from(slots), s.outer, s.n, s.inner, backwards, to(slots));
    };
  });
}

// ints: dim, largest
Step running_extreme_step(const Call& call) {
  if (!call.contiguous()) return {};
  const Operand& x = call.in[0];
  const ReducePass s = split_at(x, call.ints[0]);
  const bool largest = call.ints[1] != 0;
  return with_dtype(x.dtype, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(x);
    const Pointer<int64_t> to(call.out[0]);
    return [=](Slots slots) {
      running_extreme<T>(largest, from(slots), s.outer, s.n, s.inner, to(slots));
    };
  });
}

}  // namespace pag
