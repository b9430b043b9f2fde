#include "kernels/parallel.h"

#include <atomic>
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace pag {
namespace {

std::atomic<int> threads{1};
std::atomic<bool> opened{false};  // a parallel region ran in this process
std::atomic<bool> serial{false};  // forked from a process whose team of threads did not come along

#if defined(__unix__) || defined(__APPLE__)
// libgomp's team does not survive fork: the first region in the child would wait for it for ever
// (GCC bug 60035). A child of a process that used the team therefore runs serially.
void after_fork_in_child() {
  if (opened) serial = true;
}
const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
#endif

}  // namespace

bool has_openmp() {
#ifdef _OPENMP
  return true;
#else
  return false;
#endif
}

int num_threads() { return has_openmp() && !serial ? threads.load() : 1; }
void set_num_threads(int n) { threads = n < 1 ? 1 : n; }

void parallel_run(int64_t chunks, void (*task)(void*, int64_t), void* context) {
#ifdef _OPENMP
  const int team = static_cast<int>(chunks < num_threads() ? chunks : num_threads());
  if (team > 1 && !omp_in_parallel()) {
    opened = true;
#pragma omp parallel for num_threads(team) schedule(dynamic, 1)
    for (int64_t chunk = 0; chunk < chunks; ++chunk) task(context, chunk);
    return;
  }
#endif
  for (int64_t chunk = 0; chunk < chunks; ++chunk) task(context, chunk);
}

}  // namespace pag
