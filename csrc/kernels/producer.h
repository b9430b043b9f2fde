// What a kernel takes while it is made, instead of from memory.
#pragma once
#include <cstdint>

namespace pag {

class Producer {
 public:
  virtual ~Producer() = default;
  // Writes n elements to `to`, in C order from the one at `first` on. Each is asked for once, by
  // any thread. Must not throw.
  virtual void make(int64_t first, int64_t n, void* to) const = 0;
  // Operations that an element takes, about.
  virtual int64_t cost() const = 0;
};

}  // namespace pag
