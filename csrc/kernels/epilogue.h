// What is done to a kernel's results at once, while they are in a cache.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/parallel.h"

namespace pag {

class Epilogue {
 public:
  virtual ~Epilogue() = default;
  // Called by the thread that has computed them for `rows` rows of `width` elements of the output,
  // the first at `first`, `stride` elements apart. Every element is handed over once. Must not
  // throw.
  virtual void run(const void* first, int64_t rows, int64_t stride, int64_t width) const = 0;
};

// The epilogue of n results that a kernel has not handed over part by part; null is none.
template <class T>
void finish(const Epilogue* epilogue, const T* out, int64_t n) {
  if (!epilogue) return;
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    epilogue->run(out + begin, 1, end - begin, end - begin);
  });
}

}  // namespace pag
