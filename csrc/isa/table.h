// The hot loops that are built once per instruction set, and the choice among them.
#pragma once
#include <stdint.h>

#include "isa/conv.h"
#include "isa/conv_lanes.h"
#include "isa/conv_plane.h"
#include "isa/gemm.h"
#include "isa/grid.h"
#include "isa/place.h"
#include "isa/winograd.h"

namespace pag {

// Arithmetic dtypes; bool arrays are computed as u8.
enum DType : int { kF32, kF64, kI64, kI32, kU8, kDTypes };

enum Opcode : int {
#define UNARY(name, domain, expression) kOp_##name,
#define BINARY UNARY
#define TERNARY UNARY
#include "isa/opcodes.def"
#undef UNARY
#undef BINARY
#undef TERNARY
  kOpcodes
};

// out[i] = op(in[0][i], ...) for n contiguous elements; out may be one of the inputs if their
// elements have one size.
using ElementwiseLoop = void (*)(void* out, const void* const* in, int64_t n);

template <class T>
struct ReduceLoops {
  // Sums of rows of n contiguous values, in blocks (error grows with log n, not n).
  void (*sum)(double* out, const T* x, int64_t rows, int64_t n);
  // out[j] += sum over r of x[r * stride + j] for j < n, rows in order.
  void (*sum_rows)(double* out, const T* x, int64_t rows, int64_t stride, int64_t n);

  // In the pairs: [0] the smallest, [1] the largest. Of rows of n > 0 contiguous values; NaN wins.
  void (*extreme[2])(T* out, const T* x, int64_t rows, int64_t n);
  // First position of a value that is among x.
  int64_t (*find)(const T* x, int64_t n, T value);
  // Down n rows that lie `stride` apart; index (may be null) is the first row with the value.
  void (*extreme_columns[2])(T* value, int64_t* index, const T* x, int64_t n, int64_t stride,
                             int64_t width);
};

// Most columns of one call of the loops that work down columns.
constexpr int64_t kStrip = 256;
// The same of extreme_columns with an index: wider, so that what is read of a row is long.
constexpr int64_t kIndexedStrip = 512;

// In the pairs: [0] softmax, [1] its logarithm. rows: contiguous rows of n values; columns: n rows
// that lie `stride` apart, `width` <= kStrip columns of each.
template <class T>
struct SoftmaxLoops {
  void (*rows[2])(T* y, const T* x, int64_t rows, int64_t n);
  void (*columns[2])(T* y, const T* x, int64_t n, int64_t stride, int64_t width);
  void (*grad_rows[2])(T* out, const T* g, const T* y, int64_t rows, int64_t n);
  void (*grad_columns[2])(T* out, const T* g, const T* y, int64_t n, int64_t stride, int64_t width);
};

// Rows and columns as in SoftmaxLoops.
template <class T>
struct CrossEntropyLoops {
  // Per row: its largest value, and the sum of exp(x - top).
  void (*rows)(T* top, T* total, const T* x, int64_t rows, int64_t n);
  void (*columns)(T* top, T* total, const T* x, int64_t n, int64_t stride, int64_t width);
  // out = factor * exp(x - top); out may be x.
  void (*grad_rows)(T* out, const T* x, const T* top, const T* factor, int64_t rows, int64_t n);
  void (*grad_columns)(T* out, const T* x, const T* top, const T* factor, int64_t n, int64_t stride,
                       int64_t width);
};

// Over n contiguous values; over rows; down n rows of `width` columns that lie `stride` apart, with
// a number for each column.
template <class T>
struct AffineLoops {
  // out = relu(x * scale + shift + more). Without scale (null) neither it nor shift, without more,
  // or without relu, that part is left out; one of the three is there. out may be x or more.
  void (*row)(T* out, const T* x, const T* scale, const T* shift, const T* more, bool relu,
              int64_t n);
};

template <class T>
struct NormLoops {
  // sums: of x - shift, and of its square.
  void (*moments)(const T* x, int64_t n, T shift, double* sums);
  // y = (x - mean) * scale + bias
  void (*apply)(T* y, const T* x, int64_t n, T mean, T scale, T bias);
  // sums: of g, and of g (x - mean).
  void (*grad_sums)(const T* g, const T* x, int64_t n, T mean, double* sums);
  // out = scale * g - shift - (x - mean) * slope
  void (*grad)(T* out, const T* g, const T* x, int64_t n, T mean, T scale, T shift, T slope);

  // Rows of n values with a mean and a variance each; weight and bias (n,) may be null.
  void (*rows)(T* y, const T* x, int64_t rows, int64_t n, double eps, bool centred, const T* weight,
               const T* bias, T* mean, T* var);
  // weight_sum += g (x - mean) scale, bias_sum += g, unless weight is null.
  void (*grad_rows)(T* out, const T* g, const T* x, int64_t rows, int64_t n, double eps,
                    bool centred, const T* weight, const T* mean, const T* var, T* weight_sum,
                    T* bias_sum);

  // Of one row that stays in a cache.
  void (*row_statistics)(const T* x, int64_t n, bool centred, T* mean, T* var);
  // As apply, grad_sums and grad, over runs of n values that lie side by side: scale and bias of
  // each have its weight, the sums are a pair for each.
  void (*apply_runs)(T* y, const T* x, int64_t runs, int64_t n, T mean, T scale, const T* weight,
                     const T* bias);
  void (*grad_sums_runs)(const T* g, const T* x, int64_t runs, int64_t n, T mean, double* sums);
  void (*grad_runs)(T* out, const T* g, const T* x, int64_t runs, int64_t n, T mean, double scale,
                    const T* weight, T shift, T slope);

  void (*moments_columns)(const T* x, int64_t n, int64_t stride, int64_t width, const T* shift,
                          double* sums, double* squares);
  void (*apply_columns)(T* y, const T* x, int64_t n, int64_t stride, int64_t width, const T* mean,
                        const T* scale, const T* bias);
  void (*grad_sums_columns)(const T* g, const T* x, int64_t n, int64_t stride, int64_t width,
                            const T* mean, double* g_sum, double* gx_sum);
  void (*grad_columns)(T* out, const T* g, const T* x, int64_t n, int64_t stride, int64_t width,
                       const T* mean, const T* scale, const T* shift, const T* slope);
};

// What a step of SGD does to one parameter of n elements: see kernels/optim.h.
template <class T>
struct SgdStep {
  T lr, momentum, fresh, decay, sign;
  bool nesterov;
  bool first;  // the buffer holds nothing yet: it becomes the gradient
  int64_t n;
  T* p;
  const T* g;
  T* buffer;  // null without momentum
};

template <class T>
struct AdamStep {
  T rate, correction, keep1, fresh1, keep2, fresh2, eps, sign, shrink, decay;
  int64_t n;
  T* p;
  const T* g;
  T *exp_avg, *exp_avg_sq;
  T* max_exp_avg_sq;  // null unless the largest second moment so far is used (AMSGrad)
};

// Of the optimisers that divide the gradient by a running size of it: see kernels/optim.h.
enum AdaptiveRule : int { kRmsprop, kAdagrad, kAdadelta, kAdamax };

template <class T>
struct AdaptiveStep {
  AdaptiveRule rule;
  T lr, sign, decay, keep, fresh, momentum, fresh_momentum, eps;
  int64_t n;
  T* p;
  const T* g;
  T* size;    // the running size
  T* mean;    // of the gradient (centred RMSprop, Adamax), of squared changes (Adadelta), or null
  T* buffer;  // RMSprop's momentum, or null
};

// Over the elements [begin, end).
template <class T>
struct OptimLoops {
  void (*sgd)(const SgdStep<T>& step, int64_t begin, int64_t end);
  void (*adam)(const AdamStep<T>& step, int64_t begin, int64_t end);
  void (*adaptive)(const AdaptiveStep<T>& step, int64_t begin, int64_t end);
};

// Windows over a plane; of the pairs, [0] concerns rows and [1] columns.
struct PoolShape {
  int64_t height, width;
  int64_t out_height, out_width;
  int64_t kernel[2], stride[2], padding[2], dilation[2];
};

// How max pooling packs the rows of a plane: see isa/pool_max.inl.
struct PoolStreams {
  int64_t rows;     // packed rows that are kept
  int64_t streams;  // of each row
  int64_t step;     // from the first column of a stream to that of the next
  int64_t length;   // of a stream
};

// Windows along one dimension, which lie inside it: [begin[i], end[i]) and the factor of its sum.
struct PoolWindows {
  int64_t count;
  const int64_t* begin;
  const int64_t* end;
  const double* factor;
  bool pairs;  // window i is [2 i, 2 i + 2), and all factors are the same
  // Where not 0 (but 1 or 2): window i is what lies inside of [first + i stride, ... + length), and
  // first <= 0.
  int64_t stride = 0, first = 0, length = 0;
};

// Columns of max pooling: the same as vectors take them, the last one again up to whole vectors.
template <class T>
struct PoolColumns {
  int64_t count, longest;
  const typename Place<T>::type *begin, *length;
};

// Scratch memory of average pooling.
template <class T>
struct AverageRoom {
  T* row;      // forward: `width` values, where columns have a stride with zeros around them
  T* factors;  // of the columns
  T* scaled;   // backward where columns have a stride: `count` values, with zeros around them
};

// One plane. `mask` is the winner's tap: its row in the window times the kernel's width plus its
// column.
template <class T>
struct PoolLoops {
  void (*max_u8)(T* out, uint8_t* mask, const T* x, const PoolShape& shape, const PoolStreams& p,
                 const int64_t* taps, T* packed);
  void (*max_i32)(T* out, int32_t* mask, const T* x, const PoolShape& shape, const PoolStreams& p,
                  const int64_t* taps, T* packed);
  // 2 x 2 windows at stride 2 without padding.
  void (*max_2x2)(T* out, uint8_t* mask, const T* x, const PoolShape& shape);
  void (*max_2x2_scatter)(T* out, const T* g, const uint8_t* mask, const PoolShape& shape);
  // 1 x 2 windows side by side: n of them.
  void (*max_pairs)(T* out, uint8_t* mask, const T* x, int64_t n);
  void (*max_pairs_scatter)(T* out, const T* g, const uint8_t* mask, int64_t n);
  // Windows of a single row at stride 1 or 2 along it. `row`: the row fits in, and -inf stands
  // around it where windows and vectors reach.
  void (*max_lines)(T* out, uint8_t* mask, const T* x, const PoolShape& shape, T* row);
  // Windows of any size, without their factors; index: the winner's place in the plane. `best` and
  // `places` hold `width` values each, and room for the longest window and two vectors.
  void (*max_windows)(T* out, int64_t* index, const T* x, int64_t width, const PoolWindows& rows,
                      const PoolColumns<T>& columns, T* best, typename Place<T>::type* places);
  // Whole planes of n values, each to one.
  void (*average_whole)(T* out, const T* x, int64_t planes, int64_t n, double scale);
  void (*average_whole_grad)(T* out, const T* g, int64_t planes, int64_t n, double scale);
  void (*average)(T* out, const T* x, int64_t width, const PoolWindows& rows,
                  const PoolWindows& columns, const AverageRoom<T>& room);
  void (*average_grad)(T* out, const T* g, int64_t height, int64_t width, const PoolWindows& rows,
                       const PoolWindows& columns, const AverageRoom<T>& room);
};

template <class T>
struct MoveLoops {
  // out (m, n) = the transpose of x (n, m); rows lie out_row and x_row elements apart.
  void (*transpose)(T* out, int64_t out_row, const T* x, int64_t x_row, int64_t m, int64_t n);
};

// One dimension of a resampling: see kernels/resample.h.
template <class T>
struct ResampleAxis {
  int64_t count, taps;
  int64_t padded;                        // count in whole vectors
  const typename Place<T>::type* begin;  // (padded,)
  const T* weight;                       // (taps, padded)
};

template <class T>
struct ResampleLoops {
  // A row along its columns; vectors read up to taps + 2 vectors beyond its end.
  void (*columns)(T* out, const T* row, const ResampleAxis<T>& axis);
  // out = the sum of n rows times their weights.
  void (*rows)(T* out, const T* const* rows, const T* weights, int64_t n, int64_t width);
};

// Whether all of index[0..n) are in [0, size).
using WithinLoop = bool (*)(const int64_t* index, int64_t n, int64_t size);
// n bytes, from and to places that do not overlap.
using CopyLoop = void (*)(void* to, const void* from, int64_t n);

// For benchmarks: what the arithmetic units do at most.
template <class T>
struct LimitLoops {
  T (*fma)(int64_t steps);
  int64_t operations;  // multiplications and additions of one step
};

// The loops of one family for either dtype.
template <template <class> class Loops>
struct FloatLoops {
  Loops<float> f32;
  Loops<double> f64;

  template <class T>
  const Loops<T>& of() const {
    if constexpr (sizeof(T) == sizeof(float))
      return f32;
    else
      return f64;
  }
};

struct Table {
  const char* name;
  ElementwiseLoop elementwise[kOpcodes][kDTypes];
  FloatLoops<AffineLoops> affine;
  FloatLoops<ReduceLoops> reduce;
  FloatLoops<SoftmaxLoops> softmax;
  FloatLoops<CrossEntropyLoops> cross_entropy;
  FloatLoops<PoolLoops> pool;
  FloatLoops<NormLoops> norm;
  FloatLoops<OptimLoops> optim;
  FloatLoops<GemmLoops> gemm;
  FloatLoops<ConvLoops> conv;
  FloatLoops<ConvLaneLoops> conv_lanes;
  FloatLoops<ConvPlaneLoops> conv_plane;
  FloatLoops<MoveLoops> move;
  FloatLoops<ResampleLoops> resample;
  FloatLoops<GridLoops> grid;
  WithinLoop within;
  CopyLoop copy;
  FloatLoops<LimitLoops> limits;
  WinogradLoops winograd;
};

// The table in use: the best this processor runs, or the one that PYAUTOGRAD_ISA names.
const Table& isa();
// Names of the tables this processor runs, slowest first.
int available_isas(const char** names, int capacity);
// False if no available table has that name.
bool select_isa(const char* name);

}  // namespace pag
