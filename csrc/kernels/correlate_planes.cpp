// What bounds it: 2 operations for each weight and output pixel, and 4 bytes (float32) for each
// input and each output. Measured in a core whose limit is 117 GFLOP/s, depthwise: 5x5 on maps of
// 28x28, 77 GFLOP/s; 3x3, 49 to 57 GFLOP/s, with 10 GB/s. Narrow maps, on which copying a plane
// with its border costs as much as its taps, and strides are faster along groups (conv_groups.cpp),
// where there are enough of them.
//
// Working memory of each thread: the copy of a strip, 128 KB or 12 rows; with stride 2 in the input
// gradient twice that, and its results.
#include "kernels/correlate_planes.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>

#include "isa/table.h"
#include "kernels/conv_plane_taps.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kCopyBytes = 128 << 10;  // of a task's copied inputs
constexpr int64_t kMinRows = 12;           // of a strip
constexpr double kMaxStripTasks = 16;      // strips are cut to have as many tasks in all
constexpr int64_t kFewOutputs = 2;

// What the strips of one part share. A strip is a range of rows of the outputs of one image and
// group.
template <class T>
class Part {
 public:
  Part(const Correlation<T>& p, int64_t strips)
      : p_(p),
        strip_rows_(std::max<int64_t>(1, divide_up(p.rows.out, strips))),
        patches_(p_.rows, p_.cols, strip_rows_, sizeof(T), isa().conv_plane.of<T>().lanes),
        taps_(p_.rows, p_.cols, patches_, p.channels) {}
  Part(const Part&) = delete;  // patches_ refers to p_
  Part& operator=(const Part&) = delete;

  const Correlation<T>& shape() const { return p_; }
  int64_t rows(int64_t strip) const {
    return std::clamp<int64_t>(p_.rows.out - strip * strip_rows_, 0, strip_rows_);
  }
  T* out(int64_t image, int64_t group, int64_t output, int64_t strip) const {
    return p_.out + ((image * p_.groups + group) * p_.outputs + output) * p_.out_plane +
           strip * strip_rows_ * p_.out_row;
  }
  int64_t copy_elements() const {
    return p_.channels * patches_.plane() + plane_slack(patches_, isa().conv_plane.of<T>().lanes);
  }
  int64_t weight_elements() const { return p_.outputs * taps_.count(); }
  int64_t dense_elements() const { return strip_rows_ * p_.cols.out; }

  void copy(int64_t image, int64_t group, int64_t strip, T* to) const {
    const int64_t x_plane = p_.rows.in * p_.cols.in;
    patches_.copy(p_.channels, p_.x + (image * p_.groups + group) * p_.channels * x_plane,
                  strip * strip_rows_, to);
  }
  // The weights of a group in the order of the taps.
  void order_weights(int64_t group, T* to) const {
    for (int64_t row = group * p_.outputs; row < (group + 1) * p_.outputs; ++row)
      for (const int64_t i : taps_.order) *to++ = p_.weights[row * taps_.count() + i];
  }
  void correlate(const T* copy, int64_t group, int64_t output, int64_t strip, const T* weights,
                 T* out, int64_t out_row) const {
    const int64_t row = group * p_.outputs + output;
    const PlaneCorrelation<T> plane{rows(strip),
                                    p_.cols.out,
                                    copy,
                                    patches_.row(),
                                    taps_.columns.data(),
                                    static_cast<int64_t>(taps_.columns.size()),
                                    weights + output * taps_.count(),
                                    out,
                                    out_row,
                                    p_.bias ? p_.bias[row] : T(0)};
    isa().conv_plane.of<T>().correlate(plane);
  }

 private:
  const Correlation<T> p_;
  int64_t strip_rows_;
  Patches patches_;
  PlaneTaps taps_;
};

template <class T>
class Planes {
 public:
  explicit Planes(const std::vector<Correlation<T>>& parts);
  void run() const;

 private:
  bool run_tasks(int64_t begin, int64_t end) const;
  void run_task(int64_t image, int64_t group, int64_t strip, T* memory, const T* weights) const;
  // Whether the two write every other column of the same rows.
  static bool interlaced(const Correlation<T>& a, const Correlation<T>& b) {
    return a.out_col == 2 && b.out_col == 2 && a.row_phase == b.row_phase;
  }

  std::vector<std::unique_ptr<Part<T>>> parts_;
  int64_t images_, groups_, outputs_, strips_ = 1;
  int64_t copy_ = 0, dense_ = 0;  // elements, of the largest part
  int64_t weights_ = 0;           // of all parts
  double operations_ = 0;
};

template <class T>
Planes<T>::Planes(const std::vector<Correlation<T>>& parts)
    : images_(parts[0].images), groups_(parts[0].groups), outputs_(parts[0].outputs) {
  for (const Correlation<T>& p : parts) {
    const double taps = static_cast<double>(p.channels * p.rows.taps() * p.cols.taps());
    operations_ += 2.0 * static_cast<double>(images_ * groups_ * outputs_) * taps *
                   static_cast<double>(p.rows.out) * static_cast<double>(p.cols.out);
  }
  const double wanted = std::clamp(operations_ / kChunkOperations, 1.0, kMaxStripTasks);
  const int64_t for_tasks =
      divide_up(static_cast<int64_t>(wanted), std::max<int64_t>(1, images_ * groups_));
  for (const Correlation<T>& p : parts) {
    const int64_t row_bytes =
        Patches(p.rows, p.cols, 1, sizeof(T)).row() * p.channels * static_cast<int64_t>(sizeof(T));
    const int64_t fitting = std::max(kMinRows, kCopyBytes / std::max<int64_t>(1, row_bytes));
    const int64_t most = std::max<int64_t>(1, p.rows.out / kMinRows);
    strips_ = std::max({strips_, divide_up(p.rows.out, fitting), std::min(for_tasks, most)});
  }
  for (const Correlation<T>& p : parts) {
    parts_.push_back(std::make_unique<Part<T>>(p, strips_));
    copy_ = std::max(copy_, parts_.back()->copy_elements());
    weights_ += parts_.back()->weight_elements();
    if (p.out_col != 1) dense_ = std::max(dense_, parts_.back()->dense_elements());
  }
}

// Tasks go through the images of a group before the next, since weights are put in order once.
template <class T>
bool Planes<T>::run_tasks(int64_t begin, int64_t end) const {
  const int64_t copies = dense_ ? 2 : 1;
  const Scratch scratch((copies * (copy_ + dense_) + weights_) * static_cast<int64_t>(sizeof(T)));
  T* const memory = scratch.as<T>();
  if (!memory) return false;
  T* const weights = memory + copies * (copy_ + dense_);
  int64_t ready = -1;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t group = task / (images_ * strips_);
    if (group != ready) {
      T* to = weights;
      for (const auto& part : parts_) {
        part->order_weights(group, to);
        to += part->weight_elements();
      }
      ready = group;
    }
    run_task(task / strips_ % images_, group, task % strips_, memory, weights);
  }
  return true;
}

template <class T>
void Planes<T>::run_task(int64_t image, int64_t group, int64_t strip, T* memory,
                         const T* weights) const {
  T* const dense = memory + (dense_ ? 2 : 1) * copy_;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part<T>& part = *parts_[i];
    const Correlation<T>& p = part.shape();
    part.copy(image, group, strip, memory);
    const bool pair = i + 1 < parts_.size() && interlaced(p, parts_[i + 1]->shape());
    if (pair) parts_[i + 1]->copy(image, group, strip, memory + copy_);
    for (int64_t m = 0; m < outputs_; ++m) {
      T* out = part.out(image, group, m, strip);
      if (p.out_col == 1) {
        part.correlate(memory, group, m, strip, weights, out, p.out_row);
        if (p.epilogue) p.epilogue->run(out, 1, 0, part.rows(strip) * p.cols.out);
        continue;
      }
      part.correlate(memory, group, m, strip, weights, dense, p.cols.out);
      if (!pair) {
        for (int64_t y = 0; y < part.rows(strip); ++y)
          isa().conv.of<T>().scatter(p.cols.out, dense + y * p.cols.out, p.out_col,
                                     out + y * p.out_row);
        continue;
      }
      const Part<T>& other = *parts_[i + 1];
      T* const other_dense = dense + dense_;
      other.correlate(memory + copy_, group, m, strip, weights + part.weight_elements(),
                      other_dense, other.shape().cols.out);
      T* const other_out = other.out(image, group, m, strip);
      const bool first = out < other_out;  // has the even columns
      const T* even = first ? dense : other_dense;
      const T* odd = first ? other_dense : dense;
      const int64_t even_columns = first ? p.cols.out : other.shape().cols.out;
      const int64_t odd_columns = first ? other.shape().cols.out : p.cols.out;
      T* to = std::min(out, other_out);
      for (int64_t y = 0; y < part.rows(strip); ++y, to += p.out_row)
        isa().conv_plane.of<T>().weave(even_columns + odd_columns, even + y * even_columns,
                                       odd + y * odd_columns, to);
    }
    weights += part.weight_elements();
    if (pair) weights += parts_[++i]->weight_elements();
  }
}

template <class T>
void Planes<T>::run() const {
  const int64_t tasks = images_ * groups_ * strips_;
  const double chunks = std::clamp(operations_ / kChunkOperations, 1.0, 64.0);
  const int64_t grain =
      operations_ < kChunkOperations
          ? tasks
          : std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(tasks) / chunks));
  std::atomic<bool> no_memory{false};
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    if (!run_tasks(begin, end)) no_memory = true;
  });
  if (no_memory) throw std::bad_alloc();
}

}  // namespace

template <class T>
bool prefers_planes(const Correlation<T>& p) {
  return p.outputs <= kFewOutputs;
}

template <class T>
void correlate_planes(const std::vector<Correlation<T>>& parts) {
  if (!parts.empty()) Planes<T>(parts).run();
}

template bool prefers_planes<float>(const Correlation<float>&);
template bool prefers_planes<double>(const Correlation<double>&);
template void correlate_planes<float>(const std::vector<Correlation<float>>&);
template void correlate_planes<double>(const std::vector<Correlation<double>>&);

}  // namespace pag
