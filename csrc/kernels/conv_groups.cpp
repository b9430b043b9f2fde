// Groups' images are transposed to pixels of a vector each, as many groups at a time as a vector
// has lanes; so are the results, back again. Rows of a kernel that lie outside of the image are
// left out, columns are zero there.
//
// What bounds it: 2 operations for each weight and output pixel, and 4 bytes (float32) for each
// input and each output. Measured in a core whose limit is 117 GFLOP/s, depthwise: on maps of 7x7,
// 49 GFLOP/s at 5x5 and 26 at 3x3; 5x5 with stride 2 from 28x28, 39, and 27 back. A vector of
// results takes 23 cycles beside its 9 or 25 multiplications: both transpositions, and the way
// through the L2 cache.
//
// Working memory of each thread: the copy of 96 KB or one row, what is computed of it (stride
// squared times as much in the gradient), and a vector for each weight.
#include "kernels/conv_groups.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "isa/table.h"
#include "kernels/lane_images.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kCopyBytes = 96 << 10;     // of a task's copied rows
constexpr int64_t kMaxRowBytes = 256 << 10;  // of what a row reads and writes
constexpr double kMaxTasks = 16;             // rows are divided to have as many
constexpr int64_t kFewOutputs = 2, kNarrow = 16;
constexpr int64_t kFewWeights = 64;  // of a tap, in a group

// Rows that meet the same taps, and what their pixels meet, by phase of the columns.
struct RowKind {
  TapRange met;
  std::vector<std::vector<GatherTerm>> terms;
};

// A task is a range of rows of one image, for the groups of one vector.
template <class T>
class Groups {
 public:
  explicit Groups(const ConvPass<T>& p);
  void run() const;

 private:
  void add_rows();
  bool run_tasks(int64_t begin, int64_t end) const;
  void run_task(int64_t first_group, int64_t image, int64_t row, const T* weights, const T* bias,
                T* copy, T* results) const;

  const ConvPass<T>& p_;
  const Conv2d& g_;
  int64_t lanes_, channels_, outputs_, weights_;  // of a group
  Dimension rows_, cols_;
  double operations_;
  int64_t task_rows_, row_tasks_;
  LaneImages images_;
  std::vector<RowKind> kinds_;
  std::vector<size_t> kind_of_;  // a row
};

template <class T>
Groups<T>::Groups(const ConvPass<T>& p)
    : p_(p),
      g_(p.g),
      lanes_(isa().gemm.of<T>().lanes),
      channels_(p.channels()),
      outputs_(p.outputs()),
      weights_(g_.o * g_.c * g_.kh * g_.kw),
      rows_(Dimension::rows(p)),
      cols_(Dimension::cols(p)),
      images_(lanes_, channels_ * rows_.in * cols_.in, channels_, rows_.in * cols_.in, cols_.in,
              std::max<int64_t>(0, -cols_.low),
              std::max<int64_t>(0, cols_.low + cols_.extent(cols_.out) - cols_.in)) {
  operations_ =
      2.0 * static_cast<double>(g_.n * g_.groups * weights_) * static_cast<double>(g_.oh * g_.ow);
  const double wanted = std::clamp(operations_ / kChunkOperations, 1.0, kMaxTasks);
  const int64_t others = g_.n * divide_up(g_.groups, lanes_);
  const int64_t row_bytes = images_.row() * channels_ * static_cast<int64_t>(sizeof(T));
  task_rows_ =
      rows_.task_length(kCopyBytes / row_bytes, divide_up(static_cast<int64_t>(wanted), others));
  row_tasks_ = divide_up(rows_.out, task_rows_);
  images_.set_rows(rows_.task_source(task_rows_));
  add_rows();
}

template <class T>
void Groups<T>::add_rows() {
  const int64_t taps = g_.kh * g_.kw;
  for (int64_t y = 0; y < rows_.out; ++y) {
    const TapRange met = rows_.met(y);
    const auto found =
        std::find_if(kinds_.begin(), kinds_.end(), [&](const RowKind& k) { return k.met == met; });
    kind_of_.push_back(static_cast<size_t>(found - kinds_.begin()));
    if (found != kinds_.end()) continue;
    RowKind kind{met, {}};
    const std::vector<TapAt>& at = rows_.phases[met.phase].taps;
    for (const OutputPhase& columns : cols_.phases) {
      auto& terms = kind.terms.emplace_back();
      for (int64_t k = 0; k < channels_; ++k)
        for (size_t v = met.first; v < met.last; ++v)
          for (const TapAt& h : columns.taps)
            terms.push_back(
                {k * images_.channel() + at[v].from * images_.row() + h.from * lanes_,
                 (k * (p_.gradient ? g_.c : 1) * taps + at[v].tap * g_.kw + h.tap) * lanes_});
    }
    kinds_.push_back(std::move(kind));
  }
}

template <class T>
void Groups<T>::run_task(int64_t first_group, int64_t image, int64_t row, const T* weights,
                         const T* bias, T* copy, T* results) const {
  const int lanes = static_cast<int>(std::min(lanes_, g_.groups - first_group));
  const int64_t rows = std::min(task_rows_, rows_.out - row), end = row + rows;
  const int64_t top = rows_.top(row), bottom = rows_.bottom(end);
  images_.copy(lanes, bottom - top,
               p_.x + ((image * g_.groups + first_group) * channels_ * rows_.in + top) * cols_.in,
               0, copy);

  const int64_t pixels = rows * cols_.out, plane = rows_.out * cols_.out;
  GroupProducts<T> product;
  product.x_step = cols_.source_step * lanes_;
  product.x_run = rows_.source_step * images_.row();
  product.out_step = cols_.step * lanes_;
  product.out_run = cols_.out * lanes_;
  for (int64_t y = row; y < end; y += product.runs) {
    const size_t kind = kind_of_[static_cast<size_t>(y)];
    product.runs = 1;
    while (rows_.step == 1 && y + product.runs < end &&
           kind_of_[static_cast<size_t>(y + product.runs)] == kind)
      ++product.runs;
    const int64_t source = y / rows_.step * rows_.source_step - top;
    product.x = copy + source * images_.row() + images_.left() * lanes_;
    for (size_t phase = 0; phase < cols_.phases.size(); ++phase) {
      const std::vector<GatherTerm>& terms = kinds_[kind].terms[phase];
      const int64_t start = cols_.phases[phase].start;
      product.count = cols_.count(cols_.phases[phase], cols_.out);
      product.k = static_cast<int64_t>(terms.size());
      product.terms = terms.data();
      for (int64_t m = 0; m < outputs_; ++m) {
        product.b = weights + m * (p_.gradient ? 1 : g_.c) * g_.kh * g_.kw * lanes_;
        product.start = bias + m * lanes_;
        product.out = results + (m * pixels + (y - row) * cols_.out + start) * lanes_;
        isa().conv_lanes.of<T>().group_products(product);
      }
    }
  }
  for (int64_t m = 0; m < outputs_; ++m) {
    T* const out =
        p_.out + ((image * g_.groups + first_group) * outputs_ + m) * plane + row * cols_.out;
    isa().conv.of<T>().transpose(pixels, lanes, results + m * pixels * lanes_, lanes_, out,
                                 outputs_ * plane);
    if (g_.epilogue) g_.epilogue->run(out, lanes, outputs_ * plane, pixels);
  }
}

// Tasks go through the images of a vector of groups before the next, since weights are put in order
// once.
template <class T>
bool Groups<T>::run_tasks(int64_t begin, int64_t end) const {
  const int64_t results = outputs_ * task_rows_ * cols_.out * lanes_;
  const int64_t ordered = (weights_ + outputs_) * lanes_;
  const Scratch scratch((images_.elements() + results + ordered) * static_cast<int64_t>(sizeof(T)));
  T* const copy = scratch.as<T>();
  if (!copy) return false;
  T* const weights = copy + images_.elements() + results;
  T* const bias = weights + weights_ * lanes_;
  images_.clear(copy);
  int64_t ready = -1;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t group = task / (g_.n * row_tasks_) * lanes_;
    if (group != ready) {
      const int64_t lanes = std::min(lanes_, g_.groups - group);
      std::fill(weights, weights + ordered, T(0));
      isa().conv.of<T>().transpose(lanes, weights_, p_.weights + group * weights_, weights_,
                                   weights, lanes_);
      for (int64_t l = 0; p_.bias && l < lanes; ++l)
        for (int64_t m = 0; m < outputs_; ++m)
          bias[m * lanes_ + l] = p_.bias[(group + l) * outputs_ + m];
      ready = group;
    }
    run_task(group, task / row_tasks_ % g_.n, task % row_tasks_ * task_rows_, weights, bias, copy,
             copy + images_.elements());
  }
  return true;
}

template <class T>
void Groups<T>::run() const {
  const int64_t tasks = divide_up(g_.groups, lanes_) * g_.n * row_tasks_;
  std::atomic<bool> no_memory{false};
  parallel_for(tasks, chunk_grain(tasks, operations_), [&](int64_t begin, int64_t end) {
    if (!run_tasks(begin, end)) no_memory = true;
  });
  if (no_memory) throw std::bad_alloc();
}

}  // namespace

template <class T>
bool fills_lanes(const Conv2d& g) {
  const int64_t lanes = isa().gemm.of<T>().lanes;
  const int64_t of_row = lanes * static_cast<int64_t>(sizeof(T)) * (g.c * g.w + g.o * g.ow);
  const bool small = of_row <= kMaxRowBytes && g.kh <= kExactTaps && 2 * g.padding[1] <= g.w + 8 &&
                     (g.kw - 1) * g.dilation[1] <= g.w + 8 && (g.kh - 1) * g.dilation[0] <= g.h + 8;
  return small && g.c * g.o <= kFewWeights && 10 * g.groups >= 7 * round_up(g.groups, lanes);
}

// Measured against correlate_planes, which the transposition makes up for on narrow maps and with
// strides; and against correlate, which splits a strided gradient into parts with few taps each.
template <class T>
bool prefers_groups(const ConvPass<T>& p) {
  const Conv2d& g = p.g;
  if (!fills_lanes<T>(g)) return false;
  const bool strided = g.stride[0] > 1 || g.stride[1] > 1;
  if (p.outputs() > kFewOutputs) return p.gradient && strided;
  return strided || (p.gradient ? g.w : g.ow) < kNarrow;
}

template <class T>
void conv_groups(const ConvPass<T>& p) {
  Groups<T>(p).run();
}

template bool fills_lanes<float>(const Conv2d&);
template bool fills_lanes<double>(const Conv2d&);
template bool prefers_groups<float>(const ConvPass<float>&);
template bool prefers_groups<double>(const ConvPass<double>&);
template void conv_groups<float>(const ConvPass<float>&);
template void conv_groups<double>(const ConvPass<double>&);

}  // namespace pag
