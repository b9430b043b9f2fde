#include "kernels/scratch.h"

#include <utility>

#include "kernels/memory.h"

namespace pag {
namespace {

constexpr int64_t kLargestKept = 256 << 10;  // bytes, a thread

struct Kept {
  void* data = nullptr;
  int64_t bytes = 0;
  ~Kept() { release_memory(data); }
};
thread_local Kept kept;

alignas(64) char nothing[64];  // what 0 bytes are

}  // namespace

Scratch::Scratch(int64_t bytes) {
  if (bytes == 0)
    data_ = nothing;
  else if (bytes <= kept.bytes) {
    data_ = std::exchange(kept.data, nullptr);
    kept.bytes = 0;
  } else
    data_ = acquire_memory(bytes);
}

Scratch::~Scratch() {
  if (data_ == nothing || !data_) return;
  const int64_t bytes = memory_size(data_);
  if (bytes > kept.bytes && bytes <= kLargestKept) {
    std::swap(data_, kept.data);
    kept.bytes = bytes;
  }
  release_memory(data_);
}

}  // namespace pag
