// Sums of what is made tile by tile: in the same blocks as sums of an array (kernels/reduce.cpp),
// added up in the same order, hence the same bits.
//
// Bound by what makes the elements; an array of them would be written and read once more.
#include <algorithm>
#include <vector>

#include "isa/blocks.h"
#include "isa/table.h"
#include "kernels/parallel.h"
#include "kernels/reduce.h"

namespace pag {
namespace {

// Elements that are made at once: in the L1 cache beside what they are made of.
template <class T>
constexpr int64_t kTile = (8 << 10) / static_cast<int64_t>(sizeof(T));

// x (outer, n) -> out (outer), lines of one block.
template <class T>
void sum_short_lines(const Producer& x, int64_t outer, int64_t n, double* out) {
  const int64_t most = kTile<T> / n;
  parallel_for(outer, std::max<int64_t>(1, kGrain / (x.cost() * n)),
               [&](int64_t begin, int64_t end) {
                 alignas(64) T tile[kTile<T>];
                 for (int64_t line = begin; line < end; line += most) {
                   const int64_t lines = std::min(most, end - line);
                   x.make(line * n, lines * n, tile);
                   isa().reduce.of<T>().sum(out + line, tile, lines, n);
                 }
               });
}

// Lines of more blocks: each block is summed on its own, and then the blocks of each piece.
template <class T>
void sum_long_lines(const Producer& x, int64_t outer, int64_t n, double* out) {
  const int64_t blocks = (n + kSumBlock - 1) / kSumBlock;  // of a line
  std::vector<double> sums(static_cast<size_t>(outer * blocks));
  constexpr int64_t kMost = kTile<T> / kSumBlock;  // blocks of a tile
  parallel_for(outer * blocks, std::max<int64_t>(1, kGrain / (x.cost() * kSumBlock)),
               [&](int64_t item, int64_t end) {
                 alignas(64) T tile[kTile<T>];
                 while (item < end) {
                   const int64_t line = item / blocks, first = (item - line * blocks) * kSumBlock;
                   const int64_t most = std::min(kMost, end - item) * kSumBlock;
                   const int64_t count = std::min(most, n - first);
                   x.make(line * n + first, count, tile);
                   for (int64_t i = 0; i < count; i += kSumBlock)
                     isa().reduce.of<T>().sum(&sums[static_cast<size_t>(item++)], tile + i, 1,
                                              std::min(kSumBlock, count - i));
                 }
               });
  constexpr int64_t kPiece = sum_piece(1) / kSumBlock;  // blocks
  const double* block = sums.data();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t first = 0; first < blocks; first += kPiece) {
      double piece = 0;
      for (int64_t i = first; i < std::min(blocks, first + kPiece); ++i) piece += *block++;
      out[o] += piece;
    }
}

// x (outer, n, inner) -> out (outer, inner), in pieces of rows.
template <class T>
void sum_columns(const Producer& x, int64_t outer, int64_t n, int64_t inner, double* out) {
  const int64_t length = sum_piece(inner), pieces = (n + length - 1) / length;
  std::vector<double> partial(pieces > 1 ? static_cast<size_t>(outer * pieces * inner) : 0);
  double* const to = pieces > 1 ? partial.data() : out;
  const int64_t work = std::min(n, length) * inner * x.cost();
  const int64_t most = std::max<int64_t>(1, kTile<T> / (kSumRows * inner)) * kSumRows;  // rows
  parallel_for(outer * pieces, std::max<int64_t>(1, kGrain / work), [&](int64_t item, int64_t end) {
    alignas(64) T tile[kSumRows * most_columns_produced<T>()];
    for (; item < end; ++item) {
      const int64_t begin = item % pieces * length, last = std::min(n, begin + length);
      for (int64_t row = begin; row < last; row += most) {
        const int64_t rows = std::min(most, last - row);
        x.make((item / pieces * n + row) * inner, rows * inner, tile);
        isa().reduce.of<T>().sum_rows(to + item * inner, tile, rows, inner, inner);
      }
    }
  });
  if (pieces > 1)
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t p = 0; p < pieces; ++p)
        for (int64_t j = 0; j < inner; ++j) out[o * inner + j] += to[(o * pieces + p) * inner + j];
}

}  // namespace

template <class T>
void sum_produced(const Producer& x, int64_t outer, int64_t n, int64_t inner, double* out) {
  std::fill_n(out, outer * inner, 0.0);
  if (outer * inner == 0 || n == 0) return;
  if (inner == 1 && n <= kSumBlock)
    sum_short_lines<T>(x, outer, n, out);
  else if (inner == 1)
    sum_long_lines<T>(x, outer, n, out);
  else
    sum_columns<T>(x, outer, n, inner, out);
}

#define INSTANTIATE(T) \
  template void sum_produced<T>(const Producer&, int64_t, int64_t, int64_t, double*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
