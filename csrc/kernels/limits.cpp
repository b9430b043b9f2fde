#include "kernels/limits.h"

#include <atomic>
#include <cstring>

#include "isa/table.h"
#include "kernels/parallel.h"

namespace pag {

template <class T>
void run_fma(int64_t operations) {
  const LimitLoops<T>& loops = isa().limits.of<T>();
  const int64_t threads = num_threads();  // the one kernel whose work may be cut by them
  const int64_t steps = operations / (threads * loops.operations) + 1;
  std::atomic<int> kept{0};
  parallel_chunks(threads, [&](int64_t) {
    if (loops.fma(steps) != 0) ++kept;
  });
}

void copy_bytes(void* to, const void* from, int64_t n) {
  parallel_for(n, 4 * kGrain, [&](int64_t begin, int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<size_t>(end - begin));
  });
}

template void run_fma<float>(int64_t);
template void run_fma<double>(int64_t);

}  // namespace pag
