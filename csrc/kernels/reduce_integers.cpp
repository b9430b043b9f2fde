// Bound by memory: each element is read once, with one operation.
#include "kernels/reduce_integers.h"

#include <algorithm>

#include "kernels/parallel.h"

namespace pag {
namespace {

// One pass, x (outer, n, inner) -> out (outer, inner): out = combine(out, x), from `start` on.
template <class T, class R, class Combine>
void reduce_pass(const T* x, const ReducePass& p, R start, Combine combine, R* out) {
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, p.n * p.inner));
  parallel_for(p.outer, grain, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const T* from = x + o * p.n * p.inner;
      R* to = out + o * p.inner;
      if (p.inner == 1) {
        R total = start;
        for (int64_t i = 0; i < p.n; ++i) total = combine(total, from[i]);
        *to = total;
        continue;
      }
      std::fill_n(to, p.inner, start);
      for (int64_t i = 0; i < p.n; ++i, from += p.inner)
        for (int64_t j = 0; j < p.inner; ++j) to[j] = combine(to[j], from[j]);
    }
  });
}

template <class T, class R, class Combine>
void reduce_passes_of(const T* x, const std::vector<ReducePass>& passes, R start, Combine combine,
                      R* out) {
  std::vector<R> from, to;
  for (size_t i = 0; i < passes.size(); ++i) {
    const bool final = i + 1 == passes.size();
    to.resize(final ? 0 : static_cast<size_t>(passes[i].results()));
    R* const target = final ? out : to.data();
    if (i == 0)
      reduce_pass(x, passes[i], start, combine, target);
    else
      reduce_pass(from.data(), passes[i], start, combine, target);
    from.swap(to);
  }
}

}  // namespace

template <class T>
void reduce_integers(IntegerReduction kind, const T* x, const std::vector<ReducePass>& passes,
                     void* out) {
  // Unsigned arithmetic wraps around where signed one would be undefined.
  const auto numbers = static_cast<uint64_t*>(out);
  const auto truths = static_cast<uint8_t*>(out);
  switch (kind) {
    case IntegerReduction::kSum:
      return reduce_passes_of(
          x, passes, uint64_t{0}, [](uint64_t a, auto b) { return a + static_cast<uint64_t>(b); },
          numbers);
    case IntegerReduction::kProduct:
      return reduce_passes_of(
          x, passes, uint64_t{1}, [](uint64_t a, auto b) { return a * static_cast<uint64_t>(b); },
          numbers);
    case IntegerReduction::kAll:
      return reduce_passes_of(
          x, passes, uint8_t{1},
          [](uint8_t a, auto b) { return static_cast<uint8_t>(a & (b != 0)); }, truths);
    case IntegerReduction::kAny:
      return reduce_passes_of(
          x, passes, uint8_t{0},
          [](uint8_t a, auto b) { return static_cast<uint8_t>(a | (b != 0)); }, truths);
  }
}

#define INSTANTIATE(T)                                                                         \
  template void reduce_integers<T>(IntegerReduction, const T*, const std::vector<ReducePass>&, \
                                   void*);
INSTANTIATE(int64_t)
INSTANTIATE(int32_t)
INSTANTIATE(uint8_t)
#undef INSTANTIATE

}  // namespace pag
