#include "kernels/scratch.h"

#include <cstdlib>
#include <utility>

namespace pag {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int kKept = 4;                      // blocks a thread keeps
constexpr int64_t kLargestKept = 16ll << 20;  // bytes

struct Block {
  void* data = nullptr;
  int64_t bytes = 0;
};

struct Cache {
  Block blocks[kKept];
  ~Cache() {
    for (Block& b : blocks) std::free(b.data);
  }
};
thread_local Cache cache;

}  // namespace

Scratch::Scratch(int64_t bytes) : data_(nullptr), bytes_(0) {
  Block* best = nullptr;  // the smallest that is large enough
  for (Block& b : cache.blocks)
    if (b.data && b.bytes >= bytes && (!best || b.bytes < best->bytes)) best = &b;
  if (best) {
    data_ = std::exchange(best->data, nullptr);
    bytes_ = best->bytes;
    return;
  }
  if (bytes > INT64_MAX - kAlignment) return;
  bytes_ = (bytes + kAlignment) / kAlignment * kAlignment;
  data_ = std::aligned_alloc(kAlignment, static_cast<size_t>(bytes_));
}

Scratch::~Scratch() {
  if (!data_) return;
  Block* place = nullptr;  // an empty one, or that of the smallest block
  if (bytes_ <= kLargestKept)
    for (Block& b : cache.blocks)
      if (!b.data || (b.bytes < bytes_ && (!place || (place->data && b.bytes < place->bytes)))) {
        place = &b;
        if (!b.data) break;
      }
  if (!place) {
    std::free(data_);
    return;
  }
  std::free(place->data);
  place->data = data_;
  place->bytes = bytes_;
}

}  // namespace pag
