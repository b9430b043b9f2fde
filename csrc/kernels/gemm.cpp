// The loops around the microkernel, after BLIS (Van Zee and van de Geijn, 2015), with one change:
// A is broadcast from where it lies and only packed where that would touch too many cache lines.
//
// Each chunk of work is a range of rows and columns of C that its thread computes alone, packing
// what it needs: nothing is shared, and nothing is waited for. B may also come packed, for products
// with the same weights again and again: 15 x 784 x 256 takes 40% less time so.
//
// Bound by arithmetic, 2 m n k operations, but for thin products, which are bound by the bytes of
// the larger operand. Of the measured limit of 117 GFLOP/s a core (AVX-512, float32), one thread
// reaches 95% at 256^3, 512^3 and 64x784x256; a transposed first operand costs 7%, its packing. A
// row times 1024 x 1024 reads 86 GB/s from the last-level cache.
#include "kernels/gemm.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "isa/table.h"
#include "kernels/denormals.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kDepth = 512;          // of a packed panel of B, which streams from the L2 cache
constexpr int64_t kWidth = 256;          // columns of B packed before they are used
constexpr int64_t kHeight = 96;          // rows of A that meet them in turn
constexpr int64_t kRowsInPlace = 128;    // up to here a panel of B is used too seldom to pack it
constexpr int64_t kDepthInPlace = 192;   // lines of a transposed A that stay in the L1 cache
constexpr int64_t kMostRowsReady = 512;  // above, packing B is under 3% of the time
constexpr int64_t kThinRows = 4;         // up to here a product is a few dot products a column
constexpr int64_t kStackBytes = 16384;   // packed panels of small products
constexpr double kThinChunkOperations = 1.5e5;  // bound by memory
constexpr int64_t kMinAxpyColumns = 4096;       // shorter pieces of a row are slow to fetch
constexpr int64_t kMinAxpyRows = 64;
constexpr int64_t kMaxChunks = 16;
constexpr int64_t kMinChunkRows = 48;     // half of that where there would be one chunk only
constexpr int64_t kMinChunkColumns = 64;  // a tall transposed A is packed for each: kWidth there

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
  bool swapped = false;           // computes the transposed product
  int64_t panel = 0;              // columns of one panel of B
  int64_t rows = 0, columns = 0;  // of one chunk
  int64_t row_chunks = 1, column_chunks = 1;
  int64_t depth_chunks = 1;  // of k, whose results are added in order; for a single kAxpy alone

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
  const auto capped = [&](double chunks) {
    const double most = static_cast<double>(divide_up(kMaxChunks, items));
    return static_cast<int64_t>(std::max(1.0, std::min(most, chunks)));
  };
  if (thin_method(g, &plan.method) || (plan.swapped = (g.n != 1 || g.c_row == 1 || g.a.col == 1) &&
                                                      thin_method(transposed(g), &plan.method))) {
    const int64_t n = plan.swapped ? g.m : g.n;
    plan.rows = plan.swapped ? g.n : g.m;
    const int64_t least = plan.method == Method::kAxpy ? kMinAxpyColumns : lanes;
    const int64_t chunks = std::min(capped(work / kThinChunkOperations), divide_up(n, least));
    plan.columns = round_up(divide_up(n, chunks), lanes);
    plan.column_chunks = divide_up(n, plan.columns);
    if (plan.method == Method::kAxpy && items == 1 && plan.column_chunks == 1)
      plan.depth_chunks =
          std::max<int64_t>(1, std::min(capped(work / kThinChunkOperations), g.k / kMinAxpyRows));
    return plan;
  }
  plan.method = Method::kTiles;
  plan.panel = balanced(g.n, loops<T>().tile_columns, lanes);
  const int64_t chunks = capped(worthwhile_chunks(work));
  const bool few_rows = g.m < 2 * kMinChunkRows;
  const int64_t least = g.a.col == 1 || few_rows ? kMinChunkColumns : kWidth;
  const int64_t most = std::max<int64_t>(1, g.n / least);
  plan.columns = round_up(divide_up(g.n, std::min(chunks, most)), plan.panel);
  plan.column_chunks = divide_up(g.n, plan.columns);
  const int64_t least_rows =
      few_rows && plan.column_chunks == 1 ? kMinChunkRows / 2 : kMinChunkRows;
  const int64_t row_chunks = std::min(divide_up(chunks, plan.column_chunks), g.m / least_rows);
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

template <class T>
bool run_tiles(const Gemm<T>& g, int64_t panel) {
  const GemmLoops<T>& table = loops<T>();
  constexpr int64_t size = sizeof(T);
  const int64_t rows = balanced(g.m, table.tile_rows, 1);
  // Rows of B that are a multiple of 4 KB apart share one set of the L1 cache.
  const bool b_in_place =
      !g.packed_b && g.b.col == 1 &&
      ((g.m <= kRowsInPlace && g.b.row * size % 4096 != 0) || g.k * g.n * size <= kStackBytes);
  const bool pack_a = g.a.col != 1 && g.n > panel && g.m * g.k * size > kStackBytes;
  const int64_t depth = balanced(g.k, g.a.col != 1 && !pack_a ? kDepthInPlace : kDepth, 1);
  const int64_t width = std::min(round_up(g.n, panel), std::max(panel, kWidth / panel * panel));
  const int64_t height = std::min(round_up(g.m, rows), kHeight / rows * rows);

  alignas(64) char stack[kStackBytes];
  const int64_t b_columns = g.packed_b ? 0 : b_in_place ? panel : width;  // packed at a time
  const int64_t b_bytes = round_up(b_columns * depth * size, 64);
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
    // Columns read where they are; a last panel that fills no vector is packed all the same.
    const int64_t direct = !b_in_place ? 0 : n % table.lanes ? n / panel * panel : n;
    for (int64_t kk = 0; kk < g.k; kk += depth) {
      const T* b = g.b.data + kk * g.b.row + j * g.b.col;
      const T* ready = g.packed_b ? g.packed_b + j * g.k + kk * panel : nullptr;
      block.k = std::min(depth, g.k - kk);
      block.start = kk ? GemmStart::kC : g.start;
      if (direct < n && !ready)
        table.pack_b(block.k, n - direct, b + direct * g.b.col, g.b.row, g.b.col, block.columns,
                     packed_b);
      for (int64_t i = 0; i < g.m; i += height) {
        block.m = std::min(height, g.m - i);
        block.a = g.a.data + i * g.a.row + kk * g.a.col;
        block.a_row = g.a.row;
        block.a_col = g.a.col;
        if (pack_a) {
          table.pack_a(block.m, block.k, block.a, g.a.col, block.rows, packed_a);
          block.a = packed_a;
          block.a_row = 1;
          block.a_col = rows;
        }
        block.a_panel = pack_a ? rows * block.k : rows * g.a.row;
        const auto multiply = [&](int64_t first, int64_t count, const T* from, int64_t b_row,
                                  int64_t b_panel) {
          if (count == 0) return;
          block.n = count;
          block.b = from;
          block.b_row = b_row;
          block.b_panel = b_panel;
          block.c = g.c + i * g.c_row + j + first;
          block.bias = g.start == GemmStart::kRowBias      ? g.bias + i
                       : g.start == GemmStart::kColumnBias ? g.bias + j + first
                                                           : nullptr;
          table.block(block);
        };
        multiply(0, direct, b, g.b.row, panel);
        multiply(direct, n - direct, ready ? ready : packed_b, panel,
                 panel * (ready ? g.k : block.k));
      }
    }
  }
  return true;
}

// Rows and columns of the product that a chunk computes.
template <class T>
bool run_chunk(Gemm<T> g, const Plan& plan, int64_t chunk) {
  const int64_t c_row = plan.swapped ? 1 : g.c_row, c_col = plan.swapped ? g.c_row : 1;
  if (plan.swapped) g = transposed(g);
  const int64_t i = chunk / plan.column_chunks * plan.rows;
  const int64_t j = chunk % plan.column_chunks * plan.columns;
  g.m = std::min(plan.rows, g.m - i);
  g.n = std::min(plan.columns, g.n - j);
  g.a.data += i * g.a.row;
  g.b.data += j * g.b.col;
  if (g.packed_b) g.packed_b += j * g.k;  // j is the first column of a panel
  g.c += i * c_row + j * c_col;
  if (g.start == GemmStart::kRowBias) g.bias += i;
  if (g.start == GemmStart::kColumnBias) g.bias += j;
  const bool done = plan.method == Method::kAxpy  ? run_axpy(g)
                    : plan.method == Method::kDot ? run_dot(g, c_row, c_col)
                                                  : run_tiles(g, plan.panel);
  if (g.epilogue && plan.swapped) g.epilogue->run(g.c, g.n, c_col, g.m);
  if (g.epilogue && !plan.swapped) g.epilogue->run(g.c, g.m, c_row, g.n);
  return done;
}

// One row times a matrix that chunks of work read from top to bottom, whole rows each.
template <class T>
void run_in_depth(Gemm<T> g, const Plan& plan) {
  if (plan.swapped) g = transposed(g);
  const int64_t depth = divide_up(g.k, plan.depth_chunks), chunks = divide_up(g.k, depth);
  const Scratch partial((chunks - 1) * g.n * static_cast<int64_t>(sizeof(T)));
  if (!partial) throw std::bad_alloc();
  parallel_chunks(chunks, [&](int64_t chunk) {
    Gemm<T> part = g;
    part.k = std::min(depth, g.k - chunk * depth);
    part.a.data += chunk * depth * g.a.col;
    part.b.data += chunk * depth * g.b.row;
    if (chunk) {
      part.c = partial.as<T>() + (chunk - 1) * g.n;
      part.start = GemmStart::kZero;
    }
    run_axpy(part);
  });
  for (int64_t chunk = 1; chunk < chunks; ++chunk) {
    const T* from = partial.as<T>() + (chunk - 1) * g.n;
    for (int64_t j = 0; j < g.n; ++j) g.c[j] += from[j];
  }
  finish(g.epilogue, g.c, g.n);
}

template <class T>
Gemm<T> item_of(Gemm<T> g, const GemmBatch& batch, int64_t item) {
  g.c += item * batch.c_item;
  for (int d = batch.ndim - 1; d >= 0; --d) {
    const int64_t index = item % batch.shape[d];
    item /= batch.shape[d];
    g.a.data += index * batch.a_stride[d];
    g.b.data += index * batch.b_stride[d];
  }
  return g;
}

}  // namespace

template <class T>
void gemm(const Gemm<T>& first, const GemmBatch& batch) {
  const FlushDenormals scope;
  int64_t items = 1;
  for (int d = 0; d < batch.ndim; ++d) items *= batch.shape[d];
  if (items == 0 || first.m == 0 || first.n == 0) return;
  if (first.k == 0) {
    for (int64_t item = 0; item < items; ++item) {
      const Gemm<T> g = item_of(first, batch, item);
      fill_with_start(g);
      if (g.epilogue) g.epilogue->run(g.c, g.m, g.c_row, g.n);
    }
    return;
  }
  const Plan plan = make_plan(first, items);
  if (plan.depth_chunks > 1) {
    run_in_depth(item_of(first, batch, 0), plan);
    return;
  }
  const double work = static_cast<double>(items) * operations(first.m, first.n, first.k);
  const int64_t grain = plan.chunks() > 1
                            ? 1
                            : std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(items) /
                                                                        worthwhile_chunks(work)));
  std::atomic<bool> no_memory{false};
  parallel_chunks(divide_up(items, grain) * plan.chunks(), [&](int64_t task) {
    const int64_t begin = task / plan.chunks() * grain, end = std::min(begin + grain, items);
    for (int64_t item = begin; item < end; ++item)
      if (!run_chunk(item_of(first, batch, item), plan, task % plan.chunks())) no_memory = true;
  });
  if (no_memory) throw std::bad_alloc();
}

template <class T>
void gemm(const Gemm<T>& g) {
  const FlushDenormals scope;
  gemm(g, GemmBatch());
}

template <class T>
int64_t packed_weights_size(const Gemm<T>& g) {
  if (any_zero({g.m, g.n, g.k}) || g.b.col == 1 || g.m > kMostRowsReady) return 0;
  const Plan plan = make_plan(g, 1);
  return plan.method == Method::kTiles ? round_up(g.n, plan.panel) * g.k : 0;
}

template <class T>
void pack_weights(const Gemm<T>& g, T* packed) {
  const int64_t panel = make_plan(g, 1).panel;
  parallel_for(divide_up(g.n, panel), divide_up(kGrain, panel * g.k),
               [&](int64_t begin, int64_t end) {
                 for (int64_t j = begin * panel; j < std::min(g.n, end * panel); j += panel)
                   loops<T>().pack_b(g.k, std::min(panel, g.n - j), g.b.data + j * g.b.col, g.b.row,
                                     g.b.col, static_cast<int>(panel), packed + j * g.k);
               });
}

template void gemm<float>(const Gemm<float>&);
template void gemm<double>(const Gemm<double>&);
template void gemm<float>(const Gemm<float>&, const GemmBatch&);
template void gemm<double>(const Gemm<double>&, const GemmBatch&);
template int64_t packed_weights_size<float>(const Gemm<float>&);
template int64_t packed_weights_size<double>(const Gemm<double>&);
template void pack_weights<float>(const Gemm<float>&, float*);
template void pack_weights<double>(const Gemm<double>&, double*);

}  // namespace pag
