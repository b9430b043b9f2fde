#include "kernels/reduce.h"

#include <cstddef>
#include <vector>

#include "isa/table.h"
#include "kernels/parallel.h"

namespace pag {

template <class T>
void sum(const T* x, int64_t outer, int64_t n, int64_t inner, double* out) {
  for (int64_t i = 0; i < outer * inner; ++i) out[i] = 0;
  if (outer * inner == 0 || n == 0) return;
  const ReduceLoops<T>& loops = isa().reduce<T>();

  // A long reduction is cut into pieces of fixed length whose sums are added in order.
  const int64_t length = inner == 1 ? 2 * kGrain : (2 * kGrain + inner - 1) / inner;
  const int64_t pieces = (n + length - 1) / length;
  std::vector<double> partial;
  if (pieces > 1) partial.assign(static_cast<size_t>(outer * pieces * inner), 0.0);
  double* to = pieces > 1 ? partial.data() : out;
  const int64_t work = (pieces > 1 ? length : n) * inner;
  parallel_for(outer * pieces, work < kGrain ? kGrain / work : 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % pieces * length;
      const int64_t count = n - first < length ? n - first : length;
      const T* from = x + (item / pieces * n + first) * inner;
      if (inner == 1)
        to[item] = loops.sum(from, count);
      else
        loops.sum_rows(to + item * inner, from, count, inner, inner);
    }
  });
  if (pieces > 1)
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t p = 0; p < pieces; ++p)
        for (int64_t j = 0; j < inner; ++j) out[o * inner + j] += to[(o * pieces + p) * inner + j];
}

template void sum<float>(const float*, int64_t, int64_t, int64_t, double*);
template void sum<double>(const double*, int64_t, int64_t, int64_t, double*);

}  // namespace pag
