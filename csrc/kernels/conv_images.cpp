// Batches of small images: each weight is broadcast to as many images as a vector has lanes. Rows
// need not fill vectors, few output channels are no waste, and taps that lie outside of the image
// are left out, which is half of them where a gradient of 10x10 pixels spreads to 14x14 by 5x5.
//
// What bounds it: 2 operations for each weight, output pixel and channel within the image, and
// transposing each input and output, which takes 0.7 cycles a value. Measured in a core whose limit
// is 117 GFLOP/s: 5x5 gradients of batches of 64 and more, 96 from 16 channels to 6 and 107 from 32
// to 20.
//
// Working memory of each thread: the copy, 256 KB or a few rows, and the results of the task.
#include "kernels/conv_images.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <new>

#include "isa/table.h"
#include "kernels/lane_images.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kCopyBytes = 256 << 10;  // of a task's copied rows
constexpr int64_t kFewOutputs = 2;         // which correlate_planes serves
constexpr double kMaxTasks = 8;            // rows are divided to have as many

// A task is a range of rows of the images of one vector, of one group.
template <class T>
class Images {
 public:
  explicit Images(const ConvPass<T>& p);
  void run() const;

 private:
  // Pixels that meet the same taps.
  struct Part {
    std::vector<GatherRow> pixels;
    std::vector<GatherTerm> terms;
  };
  std::vector<Part> parts_of(int64_t row) const;
  bool run_task(int64_t task) const;

  const ConvPass<T>& p_;
  const Conv2d& g_;
  int64_t lanes_, channels_, outputs_;  // of a group
  Dimension rows_, cols_;
  double operations_;
  int64_t task_rows_, row_tasks_;
  LaneImages images_;
  std::vector<std::vector<Part>> parts_;  // of the row tasks
};

template <class T>
Images<T>::Images(const ConvPass<T>& p)
    : p_(p),
      g_(p.g),
      lanes_(isa().gemm.of<T>().lanes),
      channels_(p.channels()),
      outputs_(p.outputs()),
      rows_(Dimension::rows(p)),
      cols_(Dimension::cols(p)),
      images_(lanes_, g_.groups * channels_ * rows_.in * cols_.in, channels_, rows_.in * cols_.in,
              cols_.in) {
  operations_ = 2.0 * p.depth() * static_cast<double>(g_.n * g_.groups * outputs_) *
                static_cast<double>(p.output_pixels());
  const double wanted = std::clamp(operations_ / kChunkOperations, 1.0, kMaxTasks);
  const int64_t others = g_.groups * divide_up(g_.n, lanes_);
  const int64_t row_bytes = images_.row() * channels_ * static_cast<int64_t>(sizeof(T));
  task_rows_ =
      rows_.task_length(kCopyBytes / row_bytes, divide_up(static_cast<int64_t>(wanted), others));
  row_tasks_ = divide_up(rows_.out, task_rows_);
  images_.set_rows(rows_.task_source(task_rows_));
  for (int64_t i = 0; i < row_tasks_; ++i) parts_.push_back(parts_of(i * task_rows_));
}

template <class T>
std::vector<typename Images<T>::Part> Images<T>::parts_of(int64_t row) const {
  std::vector<Part> all;
  const std::vector<EqualTaps> columns = cols_.by_taps(0, cols_.out);
  for (const EqualTaps& r : rows_.by_taps(row, std::min(rows_.out, row + task_rows_)))
    for (const EqualTaps& c : columns) {
      Part part;
      part.pixels.reserve(r.places.size() * c.places.size());
      for (const int64_t y : r.places)
        for (const int64_t x : c.places)
          part.pixels.push_back(
              {((row + y) / rows_.step * rows_.source_step - rows_.top(row)) * images_.row() +
                   x / cols_.step * cols_.source_step * lanes_,
               (y * cols_.out + x) * lanes_});
      const std::vector<TapAt>& down = rows_.phases[r.met.phase].taps;
      const std::vector<TapAt>& across = cols_.phases[c.met.phase].taps;
      part.terms.reserve(r.met.count() * c.met.count());
      for (size_t v = r.met.first; v < r.met.last; ++v)
        for (size_t h = c.met.first; h < c.met.last; ++h)
          part.terms.push_back({down[v].from * images_.row() + across[h].from * lanes_,
                                down[v].tap * g_.kw + across[h].tap});
      all.push_back(std::move(part));
    }
  return all;
}

template <class T>
bool Images<T>::run_task(int64_t task) const {
  const int64_t row_task = task % row_tasks_, row = row_task * task_rows_;
  const int64_t group = task / row_tasks_ % g_.groups;
  const int64_t image = task / row_tasks_ / g_.groups * lanes_;
  const int lanes = static_cast<int>(std::min(lanes_, g_.n - image));
  const int64_t end = std::min(rows_.out, row + task_rows_), pixels = (end - row) * cols_.out;
  const Scratch scratch((images_.elements() + outputs_ * pixels * lanes_) *
                        static_cast<int64_t>(sizeof(T)));
  T* const copy = scratch.as<T>();
  if (!copy) return false;
  T* const results = copy + images_.elements();
  const int64_t top = rows_.top(row), bottom = rows_.bottom(end);
  const int64_t first = image * g_.groups + group;
  images_.copy(lanes, bottom - top, p_.x + (first * channels_ * rows_.in + top) * cols_.in, 0,
               copy);

  const int64_t taps = g_.kh * g_.kw;
  ImageProducts<T> product;
  product.m = outputs_;
  product.channels = channels_;
  product.x = copy;
  product.x_channel = images_.channel();
  product.w = p_.weights + group * g_.o * g_.c * taps;
  product.w_row = p_.gradient ? taps : g_.c * taps;
  product.w_channel = p_.gradient ? g_.c * taps : taps;
  product.out = results;
  product.out_row = pixels * lanes_;
  product.bias = p_.bias ? p_.bias + group * outputs_ : nullptr;
  for (const Part& part : parts_[static_cast<size_t>(row_task)]) {
    product.n = static_cast<int64_t>(part.pixels.size());
    product.pixels = part.pixels.data();
    product.k = static_cast<int64_t>(part.terms.size());
    product.terms = part.terms.data();
    isa().conv_lanes.of<T>().image_products(product);
  }
  const int64_t plane = rows_.out * cols_.out, step = g_.groups * outputs_ * plane;
  for (int64_t m = 0; m < outputs_; ++m) {
    T* const out = p_.out + (first * outputs_ + m) * plane + row * cols_.out;
    isa().conv.of<T>().transpose(pixels, lanes, results + m * product.out_row, lanes_, out, step);
    if (g_.epilogue) g_.epilogue->run(out, lanes, step, pixels);
  }
  return true;
}

template <class T>
void Images<T>::run() const {
  const int64_t tasks = divide_up(g_.n, lanes_) * g_.groups * row_tasks_;
  std::atomic<bool> no_memory{false};
  parallel_for(tasks, chunk_grain(tasks, operations_), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task)
      if (!run_task(task)) no_memory = true;
  });
  if (no_memory) throw std::bad_alloc();
}

}  // namespace

// Measured: what happens to a value beside the products, its transposition above all, costs 0.7
// cycles.
template <class T>
double images_cost(const ConvPass<T>& p) {
  const auto count = [](int64_t n) { return static_cast<double>(n); };
  const Conv2d& g = p.g;
  const int64_t lanes = isa().gemm.of<T>().lanes;
  const int64_t rows = p.gradient ? g.oh : g.h, columns = p.gradient ? g.ow : g.w;  // of the source
  const int64_t row_bytes = p.channels() * columns * lanes * static_cast<int64_t>(sizeof(T));
  if (p.outputs() <= kFewOutputs || std::max(g.kh, g.kw) > kExactTaps ||
      row_bytes * std::min(rows, 2 * g.kh) > kCopyBytes)
    return std::numeric_limits<double>::infinity();
  const double empty = count(round_up(g.n, lanes)) / count(g.n);
  const double read = count(p.channels() * p.source_pixels()) / count(p.output_pixels());
  return empty *
         (1.1 * p.depth() * count(p.outputs()) / count(lanes) + 0.7 * (read + count(p.outputs())));
}

template <class T>
void conv_images(const ConvPass<T>& p) {
  Images<T>(p).run();
}

template double images_cost<float>(const ConvPass<float>&);
template double images_cost<double>(const ConvPass<double>&);
template void conv_images<float>(const ConvPass<float>&);
template void conv_images<double>(const ConvPass<double>&);

}  // namespace pag
