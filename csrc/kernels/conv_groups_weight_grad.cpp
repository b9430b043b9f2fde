// A task is some rows of images, for the groups of one vector; its sums, a vector for each weight,
// are added to those of the other tasks of the groups in order.
//
// What bounds it: 2 operations for each weight and output pixel, and 4 bytes (float32) for each
// input and gradient. Measured in a core whose limit is 117 GFLOP/s, depthwise: on maps of 28x28,
// 62 GFLOP/s at 5x5 and 41 at 3x3; on maps of 7x7, 50 and 30. Each multiplication loads a vector,
// and transposing takes as long as some ten of them.
//
// Working memory: in each thread the copies of 64 KB of inputs, or one row's, and of their
// gradients; a vector for each weight and task, of which there are at most 16 a vector of groups.
#include <algorithm>
#include <atomic>
#include <new>

#include "isa/table.h"
#include "kernels/conv_groups.h"
#include "kernels/lane_images.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kCopyBytes = 64 << 10;  // of the rows that are copied at a time
constexpr int64_t kMaxTasks = 16;

template <class T>
class GroupsWeightGrad {
 public:
  GroupsWeightGrad(const Conv2d& g, const T* dy, const T* x);
  void run(T* dw) const;

 private:
  bool run_task(int64_t first_group, int64_t begin, int64_t end, T* sums) const;
  void add_strip(int64_t first_group, int64_t image, int64_t row, T* copy, T* sums) const;

  const Conv2d& g_;
  const T* dy_;
  const T* x_;
  int64_t lanes_, weights_;
  Dimension rows_, cols_;
  double operations_;
  int64_t strip_rows_, strips_;  // of an image
  LaneImages images_, gradients_;
  std::vector<GatherTerm> pixels_;
};

template <class T>
GroupsWeightGrad<T>::GroupsWeightGrad(const Conv2d& g, const T* dy, const T* x)
    : g_(g),
      dy_(dy),
      x_(x),
      lanes_(isa().gemm.of<T>().lanes),
      weights_(g.o * g.c * g.kh * g.kw),
      rows_(g, false, 0),
      cols_(g, false, 1),
      images_(lanes_, g.c * g.h * g.w, g.c, g.h * g.w, g.w, g.padding[1],
              std::max<int64_t>(0, (g.ow - 1) * g.stride[1] + (g.kw - 1) * g.dilation[1] + 1 -
                                       g.padding[1] - g.w)),
      gradients_(lanes_, g.o * g.oh * g.ow, g.o, g.oh * g.ow, g.ow) {
  operations_ =
      2.0 * static_cast<double>(g.n * g.groups * weights_) * static_cast<double>(g.oh * g.ow);
  const int64_t row_bytes = images_.row() * g.c * static_cast<int64_t>(sizeof(T));
  strip_rows_ = balanced(g.oh, std::max<int64_t>(1, kCopyBytes / row_bytes / g.stride[0]), 1);
  strips_ = divide_up(g.oh, strip_rows_);
  images_.set_rows((strip_rows_ - 1) * g.stride[0] + (g.kh - 1) * g.dilation[0] + 1);
  gradients_.set_rows(strip_rows_);
  for (int64_t y = 0; y < strip_rows_; ++y)
    for (int64_t i = 0; i < g.ow; ++i)
      pixels_.push_back(
          {y * g.stride[0] * images_.row() + i * g.stride[1] * lanes_, (y * g.ow + i) * lanes_});
}

template <class T>
void GroupsWeightGrad<T>::add_strip(int64_t first_group, int64_t image, int64_t row, T* copy,
                                    T* sums) const {
  const int lanes = static_cast<int>(std::min(lanes_, g_.groups - first_group));
  const int64_t rows = std::min(strip_rows_, g_.oh - row);
  const int64_t top = row * g_.stride[0] - g_.padding[0];  // of the source
  const int64_t height = (rows - 1) * g_.stride[0] + (g_.kh - 1) * g_.dilation[0] + 1;
  const int64_t above = std::clamp<int64_t>(-top, 0, height);
  const int64_t within = std::clamp<int64_t>(g_.h - top, above, height) - above;
  const int64_t first = image * g_.groups + first_group;
  for (int64_t c = 0; c < g_.c; ++c) {
    T* const plane = copy + c * images_.channel();
    std::fill(plane, plane + above * images_.row(), T(0));
    std::fill(plane + (above + within) * images_.row(), plane + height * images_.row(), T(0));
  }
  images_.copy(lanes, within, x_ + (first * g_.c * g_.h + top + above) * g_.w, above, copy);
  T* const gradients = copy + images_.elements();
  gradients_.copy(lanes, rows, dy_ + (first * g_.o * g_.oh + row) * g_.ow, 0, gradients);
  GroupProducts<T> product;
  product.runs = g_.kh;
  product.count = g_.kw;
  product.k = rows * g_.ow;
  product.x_run = g_.dilation[0] * images_.row();
  product.x_step = g_.dilation[1] * lanes_;
  product.terms = pixels_.data();
  product.out_run = g_.kw * lanes_;
  product.out_step = lanes_;
  product.start = nullptr;
  product.out = sums;
  for (int64_t o = 0; o < g_.o; ++o)
    for (int64_t c = 0; c < g_.c; ++c, product.out += g_.kh * g_.kw * lanes_) {
      product.x = copy + c * images_.channel() + (images_.left() - g_.padding[1]) * lanes_;
      product.b = gradients + o * gradients_.channel();
      isa().conv_lanes.of<T>().group_products(product);
    }
}

template <class T>
bool GroupsWeightGrad<T>::run_task(int64_t first_group, int64_t begin, int64_t end, T* sums) const {
  const Scratch scratch((images_.elements() + gradients_.elements()) *
                        static_cast<int64_t>(sizeof(T)));
  T* const copy = scratch.as<T>();
  if (!copy) return false;
  images_.clear(copy);
  std::fill(sums, sums + weights_ * lanes_, T(0));
  for (int64_t strip = begin; strip < end; ++strip)
    add_strip(first_group, strip / strips_, strip % strips_ * strip_rows_, copy, sums);
  return true;
}

template <class T>
void GroupsWeightGrad<T>::run(T* dw) const {
  const int64_t blocks = divide_up(g_.groups, lanes_), strips = g_.n * strips_;
  const int64_t wanted = static_cast<int64_t>(
      std::clamp(operations_ / kChunkOperations, 1.0, static_cast<double>(kMaxTasks)));
  const int64_t of_task = divide_up(strips, std::min(strips, divide_up(wanted, blocks)));
  const int64_t tasks = divide_up(strips, of_task);  // of a block of groups
  const int64_t size = weights_ * lanes_;
  const Scratch scratch(blocks * tasks * size * static_cast<int64_t>(sizeof(T)));
  T* const sums = scratch.as<T>();
  if (!sums) throw std::bad_alloc();
  const int64_t grain = chunk_grain(blocks * tasks, operations_);
  std::atomic<bool> no_memory{false};
  parallel_for(blocks * tasks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % tasks * of_task;
      if (!run_task(task / tasks * lanes_, first, std::min(strips, first + of_task),
                    sums + task * size))
        no_memory = true;
    }
  });
  if (no_memory) throw std::bad_alloc();
  for (int64_t block = 0; block < blocks; ++block) {
    T* const total = sums + block * tasks * size;
    for (int64_t task = 1; task < tasks; ++task)
      for (int64_t i = 0; i < size; ++i) total[i] += total[task * size + i];
    isa().conv.of<T>().transpose(weights_, std::min(lanes_, g_.groups - block * lanes_), total,
                                 lanes_, dw + block * lanes_ * weights_, weights_);
  }
}

}  // namespace

template <class T>
bool weight_grad_prefers_groups(const Conv2d& g) {
  return fills_lanes<T>(g);
}

template <class T>
void weight_grad_groups(const Conv2d& g, const T* dy, const T* x, T* dw) {
  GroupsWeightGrad<T>(g, dy, x).run(dw);
}

template bool weight_grad_prefers_groups<float>(const Conv2d&);
template bool weight_grad_prefers_groups<double>(const Conv2d&);
template void weight_grad_groups<float>(const Conv2d&, const float*, const float*, float*);
template void weight_grad_groups<double>(const Conv2d&, const double*, const double*, double*);

}  // namespace pag
