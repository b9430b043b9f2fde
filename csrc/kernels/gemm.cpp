// The loops around the microkernel, after BLIS (Van Zee and van de Geijn, 2015), with one change:
// A is broadcast from where it lies and only packed where that would touch too many cache lines.
//
// Each chunk of work is a range of rows and columns of C that its thread computes alone, packing
// what it needs: nothing is shared, and nothing is waited for.
#include "kernels/gemm.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "isa/table.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kDepth = 512;          // of a packed panel of B, which streams from the L2 cache
constexpr int64_t kWidth = 256;          // columns of B packed before they are used
constexpr int64_t kHeight = 96;          // rows of A that meet them in turn
constexpr int64_t kRowsInPlace = 128;    // up to here a panel of B is used too seldom to pack it
constexpr int64_t kDepthInPlace = 192;   // lines of a transposed A that stay in the L1 cache
constexpr int64_t kThinRows = 4;         // up to here a product is a few dot products a column
constexpr int64_t kStackBytes = 16384;   // packed panels of small products
constexpr double kChunkOperations = 1e6;
constexpr double kThinChunkOperations = 2.5e5;  // bound by memory
constexpr int64_t kMaxChunks = 16;
constexpr int64_t kMinChunkRows = 48;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }
// Cuts n into as many equal parts as parts of at most `most` need, each a multiple of `unit`.
int64_t balanced(int64_t n, int64_t most, int64_t unit) {
  return std::max(unit, round_up(divide_up(n, divide_up(n, most)), unit));
}

double operations(int64_t m, int64_t n, int64_t k) {
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

template <class T>
const GemmLoops<T>& loops() {
  return isa().gemm.of<T>();
}

// C^T = B^T A^T. Only for products whose C is written with both strides given.
template <class T>
Gemm<T> transposed(const Gemm<T>& g) {
  Gemm<T> t = g;
  t.m = g.n;
  t.n = g.m;
  t.a = {g.b.data, g.b.col, g.b.row};
  t.b = {g.a.data, g.a.col, g.a.row};
  if (g.start == GemmStart::kRowBias) t.start = GemmStart::kColumnBias;
  if (g.start == GemmStart::kColumnBias) t.start = GemmStart::kRowBias;
  return t;
}

template <class T>
void fill_with_start(const Gemm<T>& g) {
  for (int64_t i = 0; i < g.m; ++i) {
    T* c = g.c + i * g.c_row;
    if (g.start == GemmStart::kColumnBias)
      std::copy(g.bias, g.bias + g.n, c);
    else if (g.start != GemmStart::kC)
      std::fill(c, c + g.n, g.start == GemmStart::kRowBias ? g.bias[i] : T(0));
  }
}

// ---- the choice of a method, and the cut into chunks --------------------------------------------

enum class Method {
  kTiles,
  kDot,   // m <= kThinRows, columns of B contiguous
  kAxpy,  // m == 1, rows of B contiguous
};

struct Plan {
  Method method = Method::kTiles;
  bool swapped = false;  // computes the transposed product
  int64_t panel = 0;     // columns of one panel of B
  int64_t rows = 0, columns = 0;  // of one chunk
  int64_t row_chunks = 1, column_chunks = 1;

  int64_t chunks() const { return row_chunks * column_chunks; }
};

template <class T>
bool thin_method(const Gemm<T>& g, Method* method) {
  if (g.m == 1 && g.b.col == 1) {
    *method = Method::kAxpy;
    return true;
  }
  *method = Method::kDot;
  return g.m <= kThinRows && g.n > g.m && g.b.row == 1 && g.k >= 4 * loops<T>().lanes;
}

// `items` products like g are to be computed.
template <class T>
Plan make_plan(const Gemm<T>& g, int64_t items) {
  Plan plan;
  const int64_t lanes = loops<T>().lanes;
  plan.rows = g.m;
  plan.columns = g.n;
  const double work = operations(g.m, g.n, g.k);
  const auto chunks_for = [&](double grain) {
    const double most = static_cast<double>(divide_up(kMaxChunks, items));
    return static_cast<int64_t>(std::max(1.0, std::min(most, work / grain)));
  };
  if (thin_method(g, &plan.method) ||
      (plan.swapped = (g.n != 1 || g.c_row == 1 || g.a.col == 1) &&
                      thin_method(transposed(g), &plan.method))) {
    const int64_t n = plan.swapped ? g.m : g.n;
    plan.rows = plan.swapped ? g.n : g.m;
    plan.columns = round_up(divide_up(n, chunks_for(kThinChunkOperations)), lanes);
    plan.column_chunks = divide_up(n, plan.columns);
    return plan;
  }
  plan.method = Method::kTiles;
  plan.panel = balanced(g.n, loops<T>().tile_columns, lanes);
  const int64_t chunks = chunks_for(kChunkOperations), panels = divide_up(g.n, plan.panel);
  plan.columns = divide_up(panels, std::min(chunks, panels)) * plan.panel;
  plan.column_chunks = divide_up(g.n, plan.columns);
  const int64_t row_chunks = std::min(divide_up(chunks, plan.column_chunks), g.m / kMinChunkRows);
  if (row_chunks > 1) {
    plan.rows = round_up(divide_up(g.m, row_chunks), loops<T>().tile_rows);
    plan.row_chunks = divide_up(g.m, plan.rows);
  }
  return plan;
}

// ---- one chunk on one thread; false if there is no memory ---------------------------------------

template <class T>
bool run_axpy(const Gemm<T>& g) {
  fill_with_start(g);
  loops<T>().axpy(g.n, g.k, g.a.data, g.a.col, g.b.data, g.b.row, g.c);
  return true;
}

template <class T>
bool run_dot(const Gemm<T>& g, int64_t c_row, int64_t c_col) {
  const T* a = g.a.data;
  int64_t a_row = g.a.row;
  const bool copy = g.a.col != 1;
  const Scratch scratch(copy ? g.m * g.k * static_cast<int64_t>(sizeof(T)) : 0);
  if (copy) {
    T* to = scratch.as<T>();
    if (!to) return false;
    for (int64_t i = 0; i < g.m; ++i)
      for (int64_t kk = 0; kk < g.k; ++kk) to[i * g.k + kk] = a[i * a_row + kk * g.a.col];
    a = to;
    a_row = g.k;
  }
  loops<T>().dot(g.m, g.n, g.k, a, a_row, g.b.data, g.b.col, g.c, c_row, c_col, g.start, g.bias);
  return true;
}

// The panels of B that lie in rows [0, block.k) and columns [0, block.n), packed to `packed`.
template <class T>
void pack_panels(const GemmBlock<T>& block, const Matrix<T>& b, T* packed) {
  for (int64_t j = 0; j < block.n; j += block.columns)
    loops<T>().pack_b(block.k, std::min<int64_t>(block.columns, block.n - j), b.data + j * b.col,
                      b.row, b.col, block.columns, packed + j * block.k);
}

template <class T>
bool run_tiles(const Gemm<T>& g, int64_t panel) {
  const GemmLoops<T>& table = loops<T>();
  constexpr int64_t size = sizeof(T);
  const int64_t rows = balanced(g.m, table.tile_rows, 1);
  // Rows of B that are a multiple of 4 KB apart share one set of the L1 cache.
  const bool b_in_place =
      g.b.col == 1 &&
      ((g.m <= kRowsInPlace && g.b.row * size % 4096 != 0) || g.k * g.n * size <= kStackBytes);
  const bool pack_a = g.a.col != 1 && g.k > kDepthInPlace && g.n > 2 * panel;
  const int64_t depth = balanced(g.k, g.a.col != 1 && !pack_a ? kDepthInPlace : kDepth, 1);
  const int64_t width = std::min(round_up(g.n, panel), std::max(panel, kWidth / panel * panel));
  const int64_t height = std::min(round_up(g.m, rows), kHeight / rows * rows);

  alignas(64) char stack[kStackBytes];
  const int64_t b_bytes = round_up((b_in_place ? panel : width) * depth * size, 64);
  const int64_t bytes = b_bytes + (pack_a ? height * depth * size : 0);
  const Scratch heap(bytes > kStackBytes ? bytes : 0);
  char* const memory = bytes > kStackBytes ? heap.as<char>() : stack;
  if (!memory) return false;
  T* const packed_b = reinterpret_cast<T*>(memory);
  T* const packed_a = reinterpret_cast<T*>(memory + b_bytes);

  GemmBlock<T> block;
  block.c_row = g.c_row;
  block.rows = static_cast<int>(rows);
  block.columns = static_cast<int>(panel);
  for (int64_t j = 0; j < g.n; j += width) {
    const int64_t n = std::min(width, g.n - j);
    const int64_t n_in_place = b_in_place ? n / table.lanes * table.lanes : 0;
    for (int64_t kk = 0; kk < g.k; kk += depth) {
      block.k = std::min(depth, g.k - kk);
      block.start = kk ? GemmStart::kC : g.start;
      const Matrix<T> b = {g.b.data + kk * g.b.row + j * g.b.col, g.b.row, g.b.col};
      // Columns that fill no vector are packed even where the others are read in place.
      const int64_t split = n_in_place / panel * panel == n_in_place || n == n_in_place
                                ? n_in_place
                                : n_in_place / panel * panel;
      const Matrix<T> b_rest = {b.data + split * b.col, b.row, b.col};
      block.n = n - split;
      pack_panels(block, b_rest, packed_b);
      for (int64_t i = 0; i < g.m; i += height) {
        block.m = std::min(height, g.m - i);
        block.a = g.a.data + i * g.a.row + kk * g.a.col;
        block.a_row = g.a.row;
        block.a_col = g.a.col;
        block.a_panel = rows * g.a.row;
        if (pack_a) {
          table.pack_a(block.m, block.k, block.a, g.a.col, block.rows, packed_a);
          block.a = packed_a;
        }
      }
    }
  }
  return true;
}

}  // namespace
}  // namespace pag
