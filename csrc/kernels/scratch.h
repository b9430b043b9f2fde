// Working memory of kernels: aligned blocks that each thread keeps for its next call.
#pragma once
#include <cstdint>
#include <new>

namespace pag {

// A block of at least `bytes` bytes aligned to 64, not initialised; null if there is no memory.
// Blocks are never moved between threads: use and destroy it in the chunk that made it.
class Scratch {
 public:
  explicit Scratch(int64_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  explicit operator bool() const { return data_ != nullptr; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_;
  int64_t bytes_;
};

}  // namespace pag
