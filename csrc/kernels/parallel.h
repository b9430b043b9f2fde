// The one place that opens threads.
//
// Work is a number of chunks that the caller derives from the problem alone, never from the number
// of threads; each chunk runs on exactly one thread. A kernel that combines partial results does so
// in chunk order. Hence the same bits for any number of threads.
#pragma once
#include <cstdint>

namespace pag {

// Threads used by the next kernel calls of this process.
int num_threads();
void set_num_threads(int n);

// Runs task(context, chunk) for every chunk in [0, chunks). Tasks must not throw. Of several
// threads that call at the same time, one has the team, and the others run all their chunks
// themselves; so does a task that calls.
void parallel_run(int64_t chunks, void (*task)(void*, int64_t), void* context);

template <class Body>
void parallel_chunks(int64_t chunks, Body&& body) {
  if (chunks == 1) {
    body(int64_t{0});
    return;
  }
  parallel_run(
      chunks, [](void* context, int64_t chunk) { (*static_cast<Body*>(context))(chunk); }, &body);
}

// Calls body(begin, end) over [0, n) in chunks of `grain` items.
template <class Body>
void parallel_for(int64_t n, int64_t grain, Body&& body) {
  if (n <= 0) return;
  parallel_chunks((n + grain - 1) / grain, [&](int64_t chunk) {
    const int64_t begin = chunk * grain;
    body(begin, begin + grain < n ? begin + grain : n);
  });
}

// Element operations below which work is not worth waking a second thread. Waking a thread
// that sleeps costs 2-5 us; simple element-wise work runs at 2-8 elements a nanosecond.
constexpr int64_t kGrain = 32768;

}  // namespace pag
