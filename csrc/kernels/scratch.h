// Working memory of kernels.
#pragma once
#include <cstdint>

#include "kernels/memory.h"

namespace pag {

// A block of at least `bytes` bytes aligned to 64, not initialised; null if there is no memory.
class Scratch {
 public:
  explicit Scratch(int64_t bytes) : data_(bytes ? acquire_memory(bytes) : nothing_) {}
  ~Scratch() {
    if (data_ != nothing_) release_memory(data_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  explicit operator bool() const { return data_ != nullptr; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  alignas(64) static inline char nothing_[64];  // what 0 bytes are
  void* data_;
};

}  // namespace pag
