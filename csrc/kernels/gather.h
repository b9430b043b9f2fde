// Strided elements into contiguous memory, a row at a time.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/numeric.h"

namespace pag {

// stride is in bytes, 0 for a value that repeats.
template <class T>
void gather(void* to_, const char* from, int64_t stride, int64_t n) {
  T* to = static_cast<T*>(to_);
  if (stride == 0) {
    const T value = *reinterpret_cast<const T*>(from);
    for (int64_t i = 0; i < n; ++i) to[i] = value;
  } else if (stride == sizeof(T)) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = *reinterpret_cast<const T*>(from + i * stride);
  }
}

// Of elements of 1, 4 or 8 bytes.
inline void gather(void* to, const char* from, int64_t stride, int64_t n, int itemsize) {
  with_size(itemsize, [&](auto t) { gather<decltype(t)>(to, from, stride, n); });
}

}  // namespace pag
