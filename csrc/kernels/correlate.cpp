// What bounds it: 2 operations for each weight, output pixel and channel; and the bytes of x,
// copied once with its borders (more often where a task holds few rows), of the output and of the
// weights. Measured in a core whose limit is 117 GFLOP/s: 90 with stride 2 from 64 to 128 channels,
// 105 in the first layer of a ResNet (three channels, 7x7, stride 2). The rest is the copy, which
// exceeds the L1 cache, and lanes of vectors past the end of rows (28 pixels fill 32 lanes). At 8x8
// pixels and 16 outputs, 70: each element of the column matrix meets 16 weights only.
//
// Working memory of each thread: the copy, kCopyBytes or 4 rows (for small maps, that of a few
// images of at most 256 pixels in all); 0.4 MB of the column matrix; where pixels or images are
// written apart, the task's output.
#include "kernels/correlate.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <optional>

#include "isa/table.h"
#include "kernels/correlate_planes.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kDirectDepth = 288;   // weights that meet a tile in one go
constexpr int64_t kPackedDepth = 384;   // rows of the column matrix packed at a time,
constexpr int64_t kPackedPixels = 256;  // and columns
constexpr int64_t kFewLeft = 2, kDotDepth = 256;
constexpr int64_t kHeight = 96;            // rows of weights that meet them in turn
constexpr int64_t kFewPixels = 192;        // images smaller than this are taken together
constexpr int64_t kCopyBytes = 512 << 10;  // of a chunk's copied inputs: they should stay in L2
constexpr int64_t kMinRows = 4, kMinOutputs = 64;  // of a chunk
constexpr int64_t kMaxChunks = 32;

// How one correlation is cut into tasks, and what they share. A task is a range of images (or of
// rows of one image) of one group and a range of its outputs.
template <class T>
class Plan {
 public:
  explicit Plan(const Correlation<T>& p);

  int64_t tasks() const { return p_.groups * image_tasks_ * row_tasks_ * output_tasks_; }
  double operations() const { return operations_; }
  // False if there is no memory.
  bool run(int64_t task) const;

 private:
  int64_t taps() const { return p_.rows.taps() * p_.cols.taps(); }
  void run_direct(const ConvDirect<T>& whole) const;
  bool run_packed(const ConvDirect<T>& whole) const;
  void spread(const T* from, int64_t from_row, int64_t images, int64_t rows, int64_t outputs,
              T* out) const;

  const Correlation<T>& p_;
  int64_t depth_;  // of the product: channels * taps
  double operations_;
  int64_t task_images_ = 1, task_rows_, task_outputs_;
  int64_t image_tasks_, row_tasks_ = 1, output_tasks_ = 1;
  bool direct_;     // reads images in the microkernel; otherwise the column matrix is packed first
  bool by_image_;   // images of whole vectors: their columns are multiplied to where they belong
  bool temporary_;  // results pass through a dense array
  std::optional<Patches> patches_;
  std::vector<int64_t> offsets_;
  std::vector<PixelRun> runs_;
  int64_t copy_image_ = 0, copy_elements_ = 0;
};

template <class T>
Plan<T>::Plan(const Correlation<T>& p) : p_(p) {
  const int64_t columns = p.cols.out, pixels = p.rows.out * columns;
  const int64_t lanes = isa().gemm.of<T>().lanes, size = sizeof(T);
  depth_ = p.channels * taps();
  const double of_image = 2.0 * static_cast<double>(p.outputs) * static_cast<double>(depth_) *
                          static_cast<double>(pixels);
  operations_ = of_image * static_cast<double>(p.images) * static_cast<double>(p.groups);
  const int64_t wanted = std::min(static_cast<int64_t>(worthwhile_chunks(operations_)), kMaxChunks);

  if (pixels < kFewPixels) {
    const int64_t shares = p.images * p.groups * std::max<int64_t>(1, p.outputs / kMinOutputs);
    const int64_t most = std::max<int64_t>(1, shares / std::min<int64_t>(wanted, 8));
    task_images_ = std::min({divide_up(kPackedPixels, pixels), p.images, most});
  }
  image_tasks_ = divide_up(p.images, task_images_);
  task_rows_ = p.rows.out;
  task_outputs_ = p.outputs;
  if (task_images_ == 1) {
    const int64_t row_bytes = Patches(p.rows, p.cols, 1, size).row() * p.channels * size;
    const int64_t fitting = std::max(kMinRows, kCopyBytes / std::max<int64_t>(1, row_bytes));
    const int64_t parts =
        std::max(divide_up(p.rows.out, fitting),
                 std::min(divide_up(wanted, image_tasks_ * p.groups), p.rows.out / kMinRows));
    task_rows_ = divide_up(p.rows.out, std::max<int64_t>(1, parts));
    row_tasks_ = divide_up(p.rows.out, task_rows_);
  }
  const int64_t parts =
      std::min(divide_up(wanted, image_tasks_ * p.groups * row_tasks_), p.outputs / kMinOutputs);
  if (parts > 1) {
    task_outputs_ = round_up(divide_up(p.outputs, parts), isa().gemm.of<T>().tile_rows);
    output_tasks_ = divide_up(p.outputs, task_outputs_);
  }

  // Vectors of the direct method end with a row; packing costs about ten rows of weights.
  const int64_t task_pixels = task_images_ * task_rows_ * columns;
  const double in_rows = static_cast<double>(task_images_ * task_rows_ * divide_up(columns, lanes));
  const double exact = static_cast<double>(divide_up(task_pixels, lanes));
  direct_ = in_rows <= exact * (1.0 + 10.0 / static_cast<double>(task_outputs_));
  const bool dense = p.out_col == 1 && p.out_row == columns;
  by_image_ = !direct_ && dense && task_images_ > 1 && pixels % lanes == 0;
  temporary_ = p.out_col != 1 || (!direct_ && !by_image_ && (task_images_ > 1 || !dense));

  const Patches& patches = patches_.emplace(p.rows, p.cols, task_rows_, size);
  offsets_ = patches.offsets(p.channels);
  copy_image_ = p.channels * patches.plane();
  copy_elements_ = task_images_ * copy_image_ + kPatchSlack;
  const int64_t piece = direct_ ? lanes : kPackedPixels;
  runs_ = temporary_ || !direct_
              ? pixel_runs(task_images_, copy_image_, patches, task_rows_, columns, piece,
                           task_rows_ * columns, columns)
              : pixel_runs(task_images_, copy_image_, patches, task_rows_, columns, piece,
                           p.groups * p.outputs * p.out_plane, p.out_row);
}

template <class T>
bool Plan<T>::run(int64_t task) const {
  const int64_t m = task % output_tasks_ * task_outputs_;
  const int64_t y = task / output_tasks_ % row_tasks_ * task_rows_;
  const int64_t image = task / (output_tasks_ * row_tasks_) % image_tasks_ * task_images_;
  const int64_t group = task / (output_tasks_ * row_tasks_ * image_tasks_);
  const int64_t images = std::min(task_images_, p_.images - image);
  const int64_t rows = std::min(task_rows_, p_.rows.out - y);
  const int64_t outputs = std::min(task_outputs_, p_.outputs - m);
  const int64_t pixels = task_images_ * task_rows_ * p_.cols.out;

  const int64_t temporary = temporary_ ? outputs * pixels : 0;
  const Scratch scratch((copy_elements_ + temporary) * static_cast<int64_t>(sizeof(T)));
  T* const copy = scratch.as<T>();
  if (!copy) return false;
  const int64_t x_image = p_.channels * p_.rows.in * p_.cols.in;
  for (int64_t i = 0; i < images; ++i)
    patches_->copy(p_.channels, p_.x + ((image + i) * p_.groups + group) * x_image, y,
                   copy + i * copy_image_);

  T* const out =
      p_.out + ((image * p_.groups + group) * p_.outputs + m) * p_.out_plane + y * p_.out_row;
  ConvDirect<T> d;
  d.m = outputs;
  d.k = depth_;
  d.a = p_.weights + (group * p_.outputs + m) * depth_;
  d.a_row = depth_;
  d.x = copy;
  d.offsets = offsets_.data();
  d.runs = runs_.data();
  d.run_count = static_cast<int64_t>(runs_.size()) / (task_images_ * task_rows_) * images * rows;
  d.c = temporary_ ? copy + copy_elements_ : out;
  d.c_row = temporary_ ? pixels : p_.out_plane;
  d.start = p_.bias ? GemmStart::kRowBias : GemmStart::kZero;
  d.bias = p_.bias ? p_.bias + group * p_.outputs + m : nullptr;
  d.rows = static_cast<int>(balanced(outputs, isa().gemm.of<T>().tile_rows, 1));
  if (direct_)
    run_direct(d);
  else if (!run_packed(d))
    return false;
  if (temporary_) spread(d.c, pixels, images, rows, outputs, out);
  if (p_.epilogue)
    for (int64_t i = 0; i < images; ++i)
      p_.epilogue->run(out + i * p_.groups * p_.outputs * p_.out_plane, outputs, p_.out_plane,
                       rows * p_.cols.out);
  return true;
}

template <class T>
void Plan<T>::run_direct(const ConvDirect<T>& whole) const {
  ConvDirect<T> d = whole;
  const int64_t depth = balanced(depth_, kDirectDepth, 1);
  for (int64_t kk = 0; kk < depth_; kk += depth) {
    d.k = std::min(depth, depth_ - kk);
    d.a = whole.a + kk;
    d.offsets = whole.offsets + kk;
    if (kk) d.start = GemmStart::kC;
    isa().conv.of<T>().direct(d);
  }
}

template <class T>
bool Plan<T>::run_packed(const ConvDirect<T>& whole) const {
  const GemmLoops<T>& gemm = isa().gemm.of<T>();
  const int64_t depth = balanced(depth_, kPackedDepth, 1);
  const int64_t width = std::min(kPackedPixels, task_images_ * task_rows_ * p_.cols.out);
  const int64_t stride = round_up(width, gemm.lanes) + gemm.lanes;
  const Scratch scratch((depth * (stride + kFewLeft) + kPatchSlack) *
                        static_cast<int64_t>(sizeof(T)));
  T* const packed = scratch.as<T>();
  if (!packed) return false;
  T* const left = packed + depth * stride + kPatchSlack;

  const PixelRun* run = whole.runs;
  const PixelRun* const end = run + whole.run_count;
  const int64_t image_pixels = p_.rows.out * p_.cols.out;
  const int64_t most =
      by_image_ ? kPackedPixels / image_pixels * image_pixels : kPackedPixels;  // at a time
  const int64_t out_image = by_image_ ? p_.groups * p_.outputs * p_.out_plane : 0;
  while (run < end) {
    const PixelRun* last = run;  // whole runs of at most kPackedPixels in all
    int64_t pixels = 0;
    while (last < end && pixels + last->length <= most) pixels += last++->length;
    GemmBlock<T> block;
    block.n = by_image_ ? image_pixels : pixels;
    // A pixel or two that would cost a vector are left to dot products.
    const int64_t rest =
        block.n > gemm.lanes && block.n % gemm.lanes <= kFewLeft && depth_ >= kDotDepth
            ? block.n % gemm.lanes
            : 0;
    block.n -= rest;
    block.a_row = whole.a_row;
    block.a_col = 1;
    block.rows = whole.rows;
    block.a_panel = block.rows * block.a_row;
    block.columns = static_cast<int>(balanced(block.n, gemm.tile_columns, gemm.lanes));
    block.b_row = stride;
    block.b_panel = block.columns;
    block.c_row = whole.c_row;
    T* const first = whole.c + (by_image_ ? run->to / image_pixels * out_image : run->to);
    for (int64_t kk = 0; kk < depth_; kk += depth) {
      block.k = std::min(depth, depth_ - kk);
      block.start = kk ? GemmStart::kC : whole.start;
      isa().conv.of<T>().im2col(block.k, whole.offsets + kk, whole.x, run, last - run, packed,
                                stride);
      const int64_t height = kHeight / block.rows * block.rows;
      for (int64_t i = 0; i < whole.m; i += height) {
        block.m = std::min(height, whole.m - i);
        block.a = whole.a + i * whole.a_row + kk;
        block.b = packed;
        block.c = first + i * whole.c_row;
        block.bias = whole.bias ? whole.bias + i : nullptr;
        for (int64_t p = 0; p + rest < pixels;
             p += block.n, block.b += block.n, block.c += out_image)
          gemm.block(block);
      }
      if (rest) {
        for (int64_t p = 0; p < rest; ++p)
          for (int64_t k = 0; k < block.k; ++k)
            left[p * depth + k] = packed[k * stride + block.n + p];
        const bool bias = block.start == GemmStart::kRowBias;
        gemm.dot(rest, whole.m, block.k, left, depth, whole.a + kk, whole.a_row, first + block.n, 1,
                 whole.c_row, bias ? GemmStart::kColumnBias : block.start, whole.bias);
      }
    }
    run = last;
  }
  return true;
}

// from (outputs, images, rows, columns), rows of outputs from_row apart, to its place in the
// output.
template <class T>
void Plan<T>::spread(const T* from, int64_t from_row, int64_t images, int64_t rows, int64_t outputs,
                     T* out) const {
  const int64_t columns = p_.cols.out;
  for (int64_t i = 0; i < images; ++i)
    for (int64_t m = 0; m < outputs; ++m)
      for (int64_t y = 0; y < rows; ++y) {
        const T* line = from + m * from_row + (i * task_rows_ + y) * columns;
        T* to = out + (i * p_.groups * p_.outputs + m) * p_.out_plane + y * p_.out_row;
        if (p_.out_col == 1)
          std::copy(line, line + columns, to);
        else
          isa().conv.of<T>().scatter(columns, line, p_.out_col, to);
      }
}

// Where no weight meets the image.
template <class T>
void fill_with_bias(const Correlation<T>& p) {
  for (int64_t plane = 0; plane < p.images * p.groups * p.outputs; ++plane) {
    const T value = p.bias ? p.bias[plane % (p.groups * p.outputs)] : T(0);
    for (int64_t y = 0; y < p.rows.out; ++y)
      for (int64_t x = 0; x < p.cols.out; ++x)
        p.out[plane * p.out_plane + y * p.out_row + x * p.out_col] = value;
  }
  finish(p.epilogue, p.out, p.images * p.groups * p.outputs * p.out_plane);
}

}  // namespace

template <class T>
void correlate(const std::vector<Correlation<T>>& all) {
  std::vector<Correlation<T>> parts;
  for (const Correlation<T>& p : all) {
    if (p.images * p.groups * p.outputs == 0 || p.rows.out <= 0 || p.cols.out <= 0) continue;
    if (p.channels * p.rows.taps() * p.cols.taps() == 0)
      fill_with_bias(p);
    else
      parts.push_back(p);
  }
  if (parts.empty()) return;
  if (prefers_planes(parts[0])) return correlate_planes(parts);
  std::vector<Plan<T>> plans;
  plans.reserve(parts.size());
  int64_t tasks = 0;
  double operations = 0;
  for (const Correlation<T>& p : parts) {
    plans.emplace_back(p);
    tasks += plans.back().tasks();
    operations += plans.back().operations();
  }
  const double chunks = std::min(worthwhile_chunks(operations), 64.0);
  const int64_t grain =
      std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(tasks) / chunks));
  std::atomic<bool> no_memory{false};
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    size_t which = 0;
    int64_t first = 0;
    for (int64_t task = begin; task < end; ++task) {
      while (task - first >= plans[which].tasks()) first += plans[which++].tasks();
      if (!plans[which].run(task - first)) no_memory = true;
    }
  });
  if (no_memory) throw std::bad_alloc();
}

template void correlate<float>(const std::vector<Correlation<float>>&);
template void correlate<double>(const std::vector<Correlation<double>>&);

}  // namespace pag
