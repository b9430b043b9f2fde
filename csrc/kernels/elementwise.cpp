#include "kernels/elementwise.h"

#include <cstring>

#include "kernels/parallel.h"

namespace pag {
namespace {

// Operands that are not contiguous along the inner dimension pass through tiles of this many
// elements, which stay in L1 (128-192 floats measured best).
constexpr int64_t kTile = 192;

struct Loop {
  ElementwiseLoop run;
  int out_itemsize;
  int itemsize[kMaxOperands];
};

// Drops dimensions of size 1 and merges neighbours that all operands step through as one.
Elementwise collapse(const Elementwise& in) {
  Elementwise out;
  out.arity = in.arity;
  std::memcpy(out.data, in.data, sizeof in.data);
  for (int d = 0; d < in.ndim; ++d) {
    if (in.shape[d] == 1) continue;
    const int last = out.ndim - 1;
    bool merge = last >= 0;
    for (int k = 0; k < in.arity && merge; ++k)
      merge = out.strides[k][last] == in.strides[k][d] * in.shape[d];
    const int to = merge ? last : out.ndim++;
    out.shape[to] = merge ? out.shape[to] * in.shape[d] : in.shape[d];
    for (int k = 0; k < in.arity; ++k) out.strides[k][to] = in.strides[k][d];
  }
  if (out.ndim == 0) {
    out.ndim = 1;
    out.shape[0] = 1;
    for (int k = 0; k < in.arity; ++k) out.strides[k][0] = 0;
  }
  return out;
}

template <class T>
void gather(void* to_, const char* from, int64_t stride, int64_t n) {
  T* to = static_cast<T*>(to_);
  if (stride == 0) {
    const T value = *reinterpret_cast<const T*>(from);
    for (int64_t i = 0; i < n; ++i) to[i] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = *reinterpret_cast<const T*>(from + i * stride);
  }
}

void gather(void* to, const char* from, int64_t stride, int64_t n, int itemsize) {
  if (itemsize == 8)
    gather<uint64_t>(to, from, stride, n);
  else if (itemsize == 4)
    gather<uint32_t>(to, from, stride, n);
  else
    gather<uint8_t>(to, from, stride, n);
}

void run_row(const Loop& loop, int arity, char* out, const char* const* in, const int64_t* stride,
             int64_t n) {
  alignas(64) char tile[kMaxOperands][kTile * 8];
  const void* at[kMaxOperands];
  bool unit = true;
  for (int k = 0; k < arity; ++k) {
    at[k] = in[k];
    if (stride[k] == loop.itemsize[k] || n == 1) continue;
    unit = false;
    if (stride[k] == 0) gather(tile[k], in[k], 0, n < kTile ? n : kTile, loop.itemsize[k]);
  }
  if (unit) {
    loop.run(out, at, n);
    return;
  }
  for (int64_t i = 0; i < n; i += kTile) {
    const int64_t len = n - i < kTile ? n - i : kTile;
    for (int k = 0; k < arity; ++k) {
      if (stride[k] == loop.itemsize[k]) {
        at[k] = in[k] + i * stride[k];
      } else {
        at[k] = tile[k];
        if (stride[k] != 0)
          gather(tile[k], in[k] + i * stride[k], stride[k], len, loop.itemsize[k]);
      }
    }
    loop.run(out + i * loop.out_itemsize, at, len);
  }
}

void run(const Loop& loop, const Elementwise& args, void* out) {
  const Elementwise c = collapse(args);
  const int inner = c.ndim - 1;
  const int64_t length = c.shape[inner];
  int64_t rows = 1;
  for (int d = 0; d < inner; ++d) rows *= c.shape[d];
  if (rows == 0 || length == 0) return;
  int64_t inner_stride[kMaxOperands];
  for (int k = 0; k < c.arity; ++k) inner_stride[k] = c.strides[k][inner];

  const int64_t pieces = (length + kGrain - 1) / kGrain;  // of one row
  const int64_t grain = pieces > 1 ? 1 : kGrain / length;
  parallel_for(rows * pieces, grain, [&](int64_t begin, int64_t end) {
    int64_t index[kMaxDims];
    int64_t row = begin / pieces;
    const char* at[kMaxOperands];
    for (int k = 0; k < c.arity; ++k) at[k] = static_cast<const char*>(c.data[k]);
    int64_t rest = row;
    for (int d = inner - 1; d >= 0; --d) {
      index[d] = rest % c.shape[d];
      rest /= c.shape[d];
      for (int k = 0; k < c.arity; ++k) at[k] += index[d] * c.strides[k][d];
    }
    for (int64_t item = begin; item < end; ++item) {
      const int64_t from = item % pieces * kGrain;
      const int64_t n = length - from < kGrain ? length - from : kGrain;
      const char* start[kMaxOperands];
      for (int k = 0; k < c.arity; ++k) start[k] = at[k] + from * inner_stride[k];
      run_row(loop, c.arity, static_cast<char*>(out) + (row * length + from) * loop.out_itemsize,
              start, inner_stride, n);
      if (item % pieces != pieces - 1) continue;
      ++row;
      for (int d = inner - 1; d >= 0; --d) {
        for (int k = 0; k < c.arity; ++k) at[k] += c.strides[k][d];
        if (++index[d] < c.shape[d]) break;
        index[d] = 0;
        for (int k = 0; k < c.arity; ++k) at[k] -= c.strides[k][d] * c.shape[d];
      }
    }
  });
}

template <class T>
void select_loop(void* out_, const void* const* in, int64_t n) {
  T* out = static_cast<T*>(out_);
  const uint8_t* condition = static_cast<const uint8_t*>(in[0]);
  const T* a = static_cast<const T*>(in[1]);
  const T* b = static_cast<const T*>(in[2]);
  for (int64_t i = 0; i < n; ++i) out[i] = condition[i] ? a[i] : b[i];
}

}  // namespace

void elementwise(Opcode op, DType dtype, const Elementwise& args, void* out) {
  static const int itemsize[kDTypes] = {4, 8, 8, 4, 1};
  const int size = itemsize[dtype];
  run({isa().elementwise[op][dtype], size, {size, size, size}}, args, out);
}

void select(int itemsize, const Elementwise& args, void* out) {
  const ElementwiseLoop loop = itemsize == 8   ? select_loop<uint64_t>
                               : itemsize == 4 ? select_loop<uint32_t>
                                               : select_loop<uint8_t>;
  run({loop, itemsize, {1, itemsize, itemsize}}, args, out);
}

}  // namespace pag
