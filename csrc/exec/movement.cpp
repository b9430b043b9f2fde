// Copies between layouts, for steps that take contiguous operands and for writes into memory that
// the caller owns.
#include <algorithm>
#include <cstring>

#include "exec/plan.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

// From one strided layout to another, with as few dimensions as both allow.
struct Move {
  int ndim = 0;
  int64_t shape[kMaxDims], from_stride[kMaxDims], to_stride[kMaxDims];  // bytes
  Pointer<char> from, to;
};

template <class T>
void move_row(char* to, int64_t to_stride, const char* from, int64_t from_stride, int64_t n) {
  if (to_stride == sizeof(T) && from_stride == sizeof(T)) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<T*>(to + i * to_stride) = *reinterpret_cast<const T*>(from + i * from_stride);
}

template <class T>
void move(const Move& m, Slots slots) {
  const int inner = m.ndim - 1;
  int64_t rows = 1;
  for (int d = 0; d < inner; ++d) rows *= m.shape[d];
  if (!rows || !m.shape[inner]) return;
  parallel_for(rows, std::max<int64_t>(1, kGrain / m.shape[inner]),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   char *to = m.to(slots), *from = m.from(slots);
                   int64_t rest = row;
                   for (int d = inner - 1; d >= 0; --d) {
                     const int64_t index = rest % m.shape[d];
                     rest /= m.shape[d];
                     to += index * m.to_stride[d];
                     from += index * m.from_stride[d];
                   }
                   move_row<T>(to, m.to_stride[inner], from, m.from_stride[inner], m.shape[inner]);
                 }
               });
}

}  // namespace

Step copy_step(const Call& call) {
  const Operand &from = call.in[0], &to = call.out[0];
  if (from.dtype != to.dtype) return {};
  Move m;
  for (int d = 0; d < to.ndim; ++d) {
    if (to.shape[d] == 1) continue;
    const int last = m.ndim - 1;
    const bool merge = last >= 0 && m.from_stride[last] == from.strides[d] * to.shape[d] &&
                       m.to_stride[last] == to.strides[d] * to.shape[d];
    const int at = merge ? last : m.ndim++;
    m.shape[at] = merge ? m.shape[at] * to.shape[d] : to.shape[d];
    m.from_stride[at] = from.strides[d];
    m.to_stride[at] = to.strides[d];
  }
  if (!m.ndim) {
    m.ndim = 1;
    m.shape[0] = 1;
    m.from_stride[0] = m.to_stride[0] = to.itemsize();
  }
  m.from = Pointer<char>(from);
  m.to = Pointer<char>(to);
  switch (to.itemsize()) {
    case 8:
      return [m](Slots slots) { move<uint64_t>(m, slots); };
    case 4:
      return [m](Slots slots) { move<uint32_t>(m, slots); };
    default:
      return [m](Slots slots) { move<uint8_t>(m, slots); };
  }
}

}  // namespace pag
