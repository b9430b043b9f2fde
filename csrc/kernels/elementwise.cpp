// Bound by memory where an op is simple: 4 bytes an element read for each operand and 4 written.
// Sums and relu of 3e6 floats take no longer than a plain copy of the same bytes; tanh and exp,
// some 15 operations an element, take about twice as long with one thread (benchmarks/kernels.py).
// A row that is run by itself costs some 15 ns beside its elements, as much as 200 floats in the
// cache: hence short rows are joined.
#include "kernels/elementwise.h"

#include <algorithm>
#include <cstring>

#include "kernels/gather.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

// Operands that are not contiguous along the inner dimension pass through tiles of this many
// elements, which stay in L1 (128-192 floats measured best).
constexpr int64_t kTile = 192;
// Elements of a block of short rows.
constexpr int64_t kBlock = 1024;

struct Loop {
  ElementwiseLoop run;
  int out_itemsize;
  int itemsize[kMaxOperands];
  ElementwiseLoop convert[kMaxOperands];  // to the dtype of the loop; null where it has that
};

// n elements from `from` on, as the loop takes them, in `tile`.
void fetch(const Loop& loop, int k, char* tile, const char* from, int64_t stride, int64_t n) {
  const int size = loop.itemsize[k];
  if (!loop.convert[k]) return gather(tile, from, stride, n, size);
  alignas(64) char gathered[kTile * 8];
  const void* plain = from;
  if (stride != size) {
    gather(gathered, from, stride, n, size);
    plain = gathered;
  }
  loop.convert[k](tile, &plain, n);
}

void run_row(const Loop& loop, int arity, char* out, const char* const* in, const int64_t* stride,
             int64_t n) {
  alignas(64) char tile[kMaxOperands][kTile * 8];
  const void* at[kMaxOperands];
  bool plain[kMaxOperands], all_plain = true;
  for (int k = 0; k < arity; ++k) {
    at[k] = in[k];
    plain[k] = !loop.convert[k] && (stride[k] == loop.itemsize[k] || n == 1);
    if (plain[k]) continue;
    all_plain = false;
    if (stride[k] == 0) fetch(loop, k, tile[k], in[k], 0, n < kTile ? n : kTile);
  }
  if (all_plain) {
    loop.run(out, at, n);
    return;
  }
  for (int64_t i = 0; i < n; i += kTile) {
    const int64_t len = n - i < kTile ? n - i : kTile;
    for (int k = 0; k < arity; ++k) {
      if (plain[k]) {
        at[k] = in[k] + i * stride[k];
      } else {
        at[k] = tile[k];
        if (stride[k] != 0) fetch(loop, k, tile[k], in[k] + i * stride[k], stride[k], len);
      }
    }
    loop.run(out + i * loop.out_itemsize, at, len);
  }
}

// Where an operand's elements are neighbours along another dimension than the result's: squares of
// it are turned into the result's order in L1, then read row by row.
constexpr int64_t kSquareRows = 16, kSquareColumns = 64;

bool turned(const Elementwise& c, int k, const Loop& loop) {
  const int64_t size = loop.itemsize[k], *stride = c.strides[k];
  return size > 1 && stride[c.ndim - 2] == size && stride[c.ndim - 1] > size &&
         stride[c.ndim - 1] % size == 0;
}

void turn(void* to, const char* from, int64_t stride, int64_t rows, int64_t columns, int size) {
  const Table& table = isa();
  if (size == 8)
    table.move.f64.transpose(static_cast<double*>(to), kSquareColumns,
                             reinterpret_cast<const double*>(from), stride / 8, rows, columns);
  else
    table.move.f32.transpose(static_cast<float*>(to), kSquareColumns,
                             reinterpret_cast<const float*>(from), stride / 4, rows, columns);
}

// `dim` of the collapsed c is such a dimension.
void run_in_squares(const Loop& loop, Elementwise c, int dim, void* out) {
  const int row = c.ndim - 2, column = c.ndim - 1;
  int64_t step[kMaxDims], size = loop.out_itemsize;  // of the result, in bytes
  for (int d = column; d >= 0; size *= c.shape[d--]) step[d] = size;
  std::rotate(step + dim, step + dim + 1, step + column);
  move_dimension_inwards(&c, dim);
  const int64_t rows = c.shape[row], columns = c.shape[column];
  const int64_t down = (rows + kSquareRows - 1) / kSquareRows;
  const int64_t across = (columns + kSquareColumns - 1) / kSquareColumns;
  int64_t outer = 1;
  for (int d = 0; d < row; ++d) outer *= c.shape[d];
  const int64_t grain = kGrain / (kSquareRows * kSquareColumns);
  parallel_for(outer * down * across, grain, [&](int64_t begin, int64_t end) {
    alignas(64) char square[kMaxOperands][kSquareRows * kSquareColumns * 8];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t j = item % across * kSquareColumns, i = item / across % down * kSquareRows;
      const int64_t height = std::min(kSquareRows, rows - i);
      const int64_t width = std::min(kSquareColumns, columns - j);
      char* to = static_cast<char*>(out) + i * step[row] + j * step[column];
      const char* at[kMaxOperands];
      int64_t down_step[kMaxOperands], stride[kMaxOperands];
      for (int k = 0; k < c.arity; ++k) {
        const int64_t* s = c.strides[k];
        at[k] = static_cast<const char*>(c.data[k]) + i * s[row] + j * s[column];
      }
      int64_t rest = item / across / down;
      for (int d = row - 1; d >= 0; --d) {
        const int64_t index = rest % c.shape[d];
        rest /= c.shape[d];
        to += index * step[d];
        for (int k = 0; k < c.arity; ++k) at[k] += index * c.strides[k][d];
      }
      for (int k = 0; k < c.arity; ++k) {
        down_step[k] = c.strides[k][row];
        stride[k] = c.strides[k][column];
        if (!turned(c, k, loop)) continue;
        turn(square[k], at[k], stride[k], height, width, loop.itemsize[k]);
        at[k] = square[k];
        stride[k] = loop.itemsize[k];
        down_step[k] = kSquareColumns * stride[k];
      }
      for (int64_t r = 0; r < height; ++r, to += step[row]) {
        run_row(loop, c.arity, to, at, stride, width);
        for (int k = 0; k < c.arity; ++k) at[k] += down_step[k];
      }
    }
  });
}

// Short rows are taken several at a time, as one; operands that do not lie so in memory (a bias
// that repeats, a column) are laid out so in L1, where those that repeat stay.
void run_in_blocks(const Loop& loop, const Elementwise& c, void* out) {
  const int inner = c.ndim - 1, outer = inner - 1;
  const int64_t length = c.shape[inner], height = c.shape[outer];
  const int64_t most = std::min(kBlock / length, height), down = (height + most - 1) / most;
  int64_t planes = 1;
  for (int d = 0; d < outer; ++d) planes *= c.shape[d];
  bool plain[kMaxOperands];
  for (int k = 0; k < c.arity; ++k)
    plain[k] = !loop.convert[k] && c.strides[k][inner] == loop.itemsize[k] &&
               c.strides[k][outer] == length * loop.itemsize[k];
  parallel_for(planes * down, kGrain / (most * length), [&](int64_t begin, int64_t end) {
    alignas(64) char block[kMaxOperands][kBlock * 8], raw[kBlock * 8];
    const char* laid_out[kMaxOperands] = {};  // what the block of a repeated operand holds
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item % down * most, rows = std::min(most, height - row);
      const void* at[kMaxOperands];
      for (int k = 0; k < c.arity; ++k) {
        const int64_t* stride = c.strides[k];
        const char* from = static_cast<const char*>(c.data[k]) + row * stride[outer];
        int64_t rest = item / down;
        for (int d = outer - 1; d >= 0; --d) {
          from += rest % c.shape[d] * stride[d];
          rest /= c.shape[d];
        }
        at[k] = plain[k] ? from : block[k];
        if (plain[k] || (stride[outer] == 0 && from == laid_out[k])) continue;
        laid_out[k] = from;
        const int size = loop.itemsize[k];
        const int64_t count = stride[outer] == 0 ? most : rows;
        char* const to = loop.convert[k] ? raw : block[k];
        for (int64_t r = 0; r < count; ++r)
          gather(to + r * length * size, from + r * stride[outer], stride[inner], length, size);
        const void* gathered = raw;
        if (loop.convert[k]) loop.convert[k](block[k], &gathered, count * length);
      }
      loop.run(static_cast<char*>(out) + (item / down * height + row) * length * loop.out_itemsize,
               at, rows * length);
    }
  });
}

void run(const Loop& loop, const Elementwise& args, void* out) {
  const Elementwise c = collapse(args);
  const int inner = c.ndim - 1;
  for (int k = 0; k < c.arity; ++k) {
    const int dim = loop.itemsize[k] > 1 ? transposed_dimension(c, k, loop.itemsize[k]) : -1;
    if (dim < 0) continue;
    run_in_squares(loop, c, dim, out);
    return;
  }
  const int64_t length = c.shape[inner];
  if (inner > 0 && length > 0 && 2 * length <= kBlock && c.shape[inner - 1] > 0)
    return run_in_blocks(loop, c, out);
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

}  // namespace

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

int transposed_dimension(const Elementwise& args, int operand, int itemsize) {
  const int64_t* stride = args.strides[operand];
  const int inner = args.ndim - 1;
  if (stride[inner] == itemsize || stride[inner] <= 0 || stride[inner] % itemsize != 0) return -1;
  for (int d = inner - 1; d >= 0; --d)
    if (stride[d] == itemsize) return d;
  return -1;
}

void move_dimension_inwards(Elementwise* args, int dim) {
  const int last = args->ndim - 1;
  const auto rotate = [=](int64_t* x) { std::rotate(x + dim, x + dim + 1, x + last); };
  rotate(args->shape);
  for (int k = 0; k < args->arity; ++k) rotate(args->strides[k]);
}

void elementwise(Opcode op, DType dtype, const Elementwise& args, const DType* from, void* out) {
  // By the dtype that is wanted.
  static const Opcode conversion[kDTypes] = {kOp_to_float32, kOp_to_float64, kOp_to_int64,
                                             kOp_to_int32, kOp_to_uint8};
  Loop loop = {isa().elementwise[op][dtype], itemsize_of(result_dtype(op, dtype)), {}, {}};
  for (int k = 0; k < args.arity; ++k) {
    const DType wanted = operand_dtype(op, k, dtype);
    loop.itemsize[k] = itemsize_of(from[k]);
    if (from[k] != wanted) loop.convert[k] = isa().elementwise[conversion[wanted]][from[k]];
  }
  run(loop, args, out);
}

}  // namespace pag
