// Bound by memory: each byte is read once and written once. A transposed copy of 1024 x 1536 floats
// takes about twice the time of a plain one (41-68% of the limit in benchmarks/).
#include "kernels/move.h"

#include <algorithm>
#include <cstring>

#include "kernels/numeric.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

constexpr int64_t kBlockRows = 64;  // of a transposed copy

// A block: rows and columns of the last two dimensions.
struct Block {
  char* to;
  const char* from;
  int64_t rows, columns;
  int64_t to_row, to_column, from_row, from_column;  // strides in bytes
};

template <class T>
void copy_elements(const Block& b) {
  for (int64_t i = 0; i < b.rows; ++i) {
    char* to = b.to + i * b.to_row;
    const char* from = b.from + i * b.from_row;
    if (b.from_column == 0 && b.to_column == static_cast<int64_t>(sizeof(T))) {
      std::fill_n(reinterpret_cast<T*>(to), b.columns, *reinterpret_cast<const T*>(from));
      continue;
    }
    for (int64_t j = 0; j < b.columns; ++j)
      *reinterpret_cast<T*>(to + j * b.to_column) =
          *reinterpret_cast<const T*>(from + j * b.from_column);
  }
}

template <class T>
void transpose_block(const Block& b) {
  constexpr int64_t size = sizeof(T);
  isa().move.of<T>().transpose(reinterpret_cast<T*>(b.to), b.to_row / size,
                               reinterpret_cast<const T*>(b.from), b.from_column / size, b.rows,
                               b.columns);
}

void copy_block(const Block& b, int itemsize, int64_t all) {
  if (b.to_column == itemsize && b.from_column == itemsize) {
    const int64_t bytes = b.columns * itemsize;
    const CopyLoop copy = copy_loop(bytes, all);
    for (int64_t i = 0; i < b.rows; ++i) copy(b.to + i * b.to_row, b.from + i * b.from_row, bytes);
  } else {
    with_size(itemsize, [&](auto t) { copy_elements<decltype(t)>(b); });
  }
}

// Called through a pointer: where the compiler knows that n is small, it puts string instructions
// in the place of memcpy, which take twice as long.
void copy_by_library(void* to, const void* from, int64_t n) {
  std::memcpy(to, from, static_cast<size_t>(n));
}

}  // namespace

// The C library writes long pieces without reading first what they write over: slower within the
// caches, by a fifth, and faster beyond them.
CopyLoop copy_loop(int64_t n, int64_t all) {
  const bool beyond_caches = n >= 2048 && all > (4 << 20);
  return n < 256 || beyond_caches ? copy_by_library : isa().copy;
}

void copy_strided(int itemsize, const Elementwise& args) {
  Elementwise c = collapse(args);
  int column = c.ndim - 1;
  const int turned =
      itemsize > 1 && c.strides[0][column] == itemsize ? transposed_dimension(c, 1, itemsize) : -1;
  if (turned >= 0) move_dimension_inwards(&c, turned);
  if (c.ndim == 1) {  // as a matrix of one row
    c.ndim = 2;
    c.shape[1] = c.shape[0];
    c.shape[0] = 1;
    for (auto& stride : c.strides) stride[1] = stride[0], stride[0] = 0;
    column = 1;
  }
  const int row = column - 1;
  const int64_t rows = c.shape[row], columns = c.shape[column];
  int64_t outer = 1;
  for (int d = 0; d < row; ++d) outer *= c.shape[d];
  const int64_t all = outer * rows * columns * itemsize;
  if (all == 0) return;

  const int64_t wide = std::min(columns, turned >= 0 ? kGrain / kBlockRows : kGrain);
  const int64_t high =
      std::min(rows, turned >= 0 ? kBlockRows : std::max<int64_t>(1, kGrain / wide));
  const int64_t across = (columns + wide - 1) / wide, down = (rows + high - 1) / high;
  parallel_for(outer * down * across, std::max<int64_t>(1, kGrain / (wide * high)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) {
                   const int64_t j = item % across * wide, i = item / across % down * high;
                   int64_t rest = item / across / down, to = 0, from = 0;
                   for (int d = row - 1; d >= 0; --d) {
                     to += rest % c.shape[d] * c.strides[0][d];
                     from += rest % c.shape[d] * c.strides[1][d];
                     rest /= c.shape[d];
                   }
                   Block b = {static_cast<char*>(const_cast<void*>(c.data[0])) + to,
                              static_cast<const char*>(c.data[1]) + from,
                              std::min(high, rows - i),
                              std::min(wide, columns - j),
                              c.strides[0][row],
                              c.strides[0][column],
                              c.strides[1][row],
                              c.strides[1][column]};
                   b.to += i * b.to_row + j * b.to_column;
                   b.from += i * b.from_row + j * b.from_column;
                   if (turned < 0)
                     copy_block(b, itemsize, all);
                   else if (itemsize == 8)
                     transpose_block<double>(b);
                   else
                     transpose_block<float>(b);
                 }
               });
}

}  // namespace pag
