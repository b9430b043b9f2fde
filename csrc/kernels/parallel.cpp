// One team of threads for the process. The thread that calls takes chunks itself and waits only for
// threads that have joined it: a worker that sleeps, or that another process keeps off its core,
// holds nobody up. Idle workers spin for a moment, since kernels come in quick succession, and then
// sleep, so that they take no core from others.
#include "kernels/parallel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "kernels/denormals.h"

namespace pag {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::microseconds kSpin(50);  // some small kernels and what Python does between

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether ready() came true within kSpin. An idle thread is `polite`: it leaves its core to whoever
// else can run there, maybe the very thread that it waits for.
template <class Ready>
bool spin_until(bool polite, Ready&& ready) {
  const Clock::time_point end = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      relax();
    }
    if (polite) std::this_thread::yield();
  } while (Clock::now() < end);
  return ready();
}

thread_local bool in_region = false;

class Team {
 public:
  // False if the team works for another caller: then this one had better work alone.
  bool run(int size, int64_t chunks, void (*task)(void*, int64_t), void* context) {
    if (!turn_.try_lock()) return false;
    hire(size - 1);
    task_ = task;
    context_ = context;
    chunks_ = chunks;
    control_ = float_control();
    next_ = 0;
    places_ = kVacant * static_cast<uint64_t>(size - 1);
    ++regions_;
    if (sleepers_ > 0) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
      }  // none is between its test and its sleep
      for (int i = 1; i < size; ++i) wake_.notify_one();
    }
    work();
    places_ &= kActive;  // who has not joined by now is too late
    const auto left = [this] { return places_ == 0; };
    if (!spin_until(false, left)) {
      std::unique_lock<std::mutex> lock(mutex_);
      waiting_ = true;
      left_.wait(lock, left);
      waiting_ = false;
    }
    turn_.unlock();
    return true;
  }

 private:
  // places_ counts workers that have joined and not left, and above them those that still may.
  static constexpr uint64_t kVacant = uint64_t{1} << 32, kActive = kVacant - 1;

  void hire(int workers) {
    while (workers_ < workers) {
      try {
        std::thread(&Team::serve, this).detach();
      } catch (const std::system_error&) {
        return;  // the machine grants no more threads
      }
      ++workers_;
    }
  }

  void work() {
    in_region = true;
    for (int64_t chunk; (chunk = next_.fetch_add(1)) < chunks_;) task_(context_, chunk);
    in_region = false;
  }

  // A region cannot end, nor another begin, while one who has joined it has not left.
  bool join() {
    uint64_t places = places_;
    while (places >= kVacant)
      if (places_.compare_exchange_weak(places, places - kVacant + 1)) return true;
    return false;
  }
  void leave() {
    if (--places_ == 0 && waiting_) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
      }
      left_.notify_one();
    }
  }

  void serve() {
    uint64_t seen = 0;
    while (true) {
      const auto called = [&] { return regions_ != seen; };
      if (!spin_until(true, called)) {
        std::unique_lock<std::mutex> lock(mutex_);
        ++sleepers_;
        wake_.wait(lock, called);
        --sleepers_;
      }
      seen = regions_;
      if (join()) {
        set_float_control(control_);
        work();
        leave();
      }
    }
  }

  std::mutex turn_;  // held by the caller that the team works for
  int workers_ = 0;

  // The region under way; read by those who have joined it.
  void (*task_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t chunks_ = 0;
  FloatControl control_ = 0;  // the caller's
  alignas(64) std::atomic<int64_t> next_{0};

  alignas(64) std::atomic<uint64_t> regions_{0};  // so far
  std::atomic<uint64_t> places_{0};

  // Who sleeps says so before it tests once more what it waits for; who brings that about looks
  // for sleepers after. So one of the two sees the other.
  std::mutex mutex_;
  std::condition_variable wake_, left_;
  std::atomic<int> sleepers_{0};
  std::atomic<bool> waiting_{false};
};

std::atomic<int> threads{1};
std::atomic<bool> opened{false};  // a parallel region ran in this process
// Never destroyed: at exit its workers are still waiting on it.
std::atomic<Team*> team{new Team};

#if defined(__unix__) || defined(__APPLE__)
// Threads do not survive fork. A child of a process that used them starts with one, and with a new
// team if it asks for more; what the old one's locks are like there, nobody knows.
void after_fork_in_child() {
  if (!opened.exchange(false)) return;
  threads = 1;
  in_region = false;
  team = new Team;
}
const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
#endif

}  // namespace

int num_threads() { return threads; }
void set_num_threads(int n) { threads = n < 1 ? 1 : n; }

void parallel_run(int64_t chunks, void (*task)(void*, int64_t), void* context) {
  const int size = static_cast<int>(chunks < num_threads() ? chunks : num_threads());
  if (size > 1 && !in_region) {
    opened = true;
    if (team.load()->run(size, chunks, task, context)) return;
  }
  for (int64_t chunk = 0; chunk < chunks; ++chunk) task(context, chunk);
}

}  // namespace pag
