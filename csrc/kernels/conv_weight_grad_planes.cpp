// A task is a range of the strips (rows of one image) of one group. Its sums stay spread over the
// lanes of vectors, one a tap, to the end; those of the tasks of a group are added in order.
//
// What bounds it: 2 operations for each weight and output pixel, and 4 bytes (float32) for each
// input and gradient. Measured in a core whose limit is 117 GFLOP/s: 52 at 5x5 on maps of 28x28, 39
// at 3x3: inputs that straddle two cache lines take two loads, and there is one for three to five
// multiplications.
//
// Working memory: a vector for each tap and the copy of a strip (64 KB or 12 rows) in each thread,
// and the sums of at most 16 tasks a group.
#include "kernels/conv_weight_grad_planes.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "isa/table.h"
#include "kernels/conv_plane_taps.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kCopyBytes = 64 << 10;  // of a strip's copied inputs
constexpr int64_t kMinRows = 12;          // of a strip
constexpr int64_t kMaxTasks = 16;
constexpr int64_t kFewTaps = 32, kFewOutputs = 8;  // of a group

template <class T>
class PlanesWeightGrad {
 public:
  PlanesWeightGrad(const Conv2d& g, const T* dy, const T* x);
  void run(T* dw) const;

 private:
  // The sums of one task: (outputs, taps).
  bool run_task(int64_t group, int64_t begin, int64_t end, T* sums) const;

  const Conv2d& g_;
  const T* dy_;
  const T* x_;
  Axis rows_, cols_;
  int64_t lanes_;
  double work_;
  int64_t strips_, strip_rows_;  // of an image
  Patches patches_;
  PlaneTaps taps_;
};

template <class T>
int64_t strips_of(const Conv2d& g, const Axis& rows, const Axis& cols, double work) {
  const int64_t row_bytes =
      Patches(rows, cols, 1, sizeof(T)).row() * g.c * static_cast<int64_t>(sizeof(T));
  const int64_t fitting = std::max(kMinRows, kCopyBytes / std::max<int64_t>(1, row_bytes));
  const int64_t wanted = static_cast<int64_t>(
      std::clamp(work / kChunkOperations, 1.0, static_cast<double>(kMaxTasks)));
  return std::max(divide_up(g.oh, fitting), std::min(divide_up(wanted, g.n * g.groups),
                                                     std::max<int64_t>(1, g.oh / kMinRows)));
}

double work_of(const Conv2d& g) {
  return 2.0 * static_cast<double>(g.n * g.groups * g.o * g.c) * static_cast<double>(g.kh * g.kw) *
         static_cast<double>(g.oh * g.ow);
}

template <class T>
PlanesWeightGrad<T>::PlanesWeightGrad(const Conv2d& g, const T* dy, const T* x)
    : g_(g),
      dy_(dy),
      x_(x),
      rows_(g.h, g.oh, g.kh, g.stride[0], g.dilation[0], g.padding[0]),
      cols_(g.w, g.ow, g.kw, g.stride[1], g.dilation[1], g.padding[1]),
      lanes_(isa().conv_plane.of<T>().lanes),
      work_(work_of(g)),
      strips_(strips_of<T>(g, rows_, cols_, work_)),
      strip_rows_(divide_up(g.oh, strips_)),
      patches_(rows_, cols_, strip_rows_, sizeof(T), lanes_),
      taps_(rows_, cols_, patches_, g.c) {}

template <class T>
bool PlanesWeightGrad<T>::run_task(int64_t group, int64_t begin, int64_t end, T* sums) const {
  const int64_t copy = g_.c * patches_.plane() + plane_slack(patches_, lanes_);
  const int64_t spread = g_.o * taps_.count() * lanes_;
  const Scratch scratch((copy + spread + taps_.count()) * static_cast<int64_t>(sizeof(T)));
  T* const memory = scratch.as<T>();
  if (!memory) return false;
  T* const lane_sums = memory + copy;
  std::fill(lane_sums, lane_sums + spread, T(0));
  PlaneProducts<T> plane;
  plane.columns = g_.ow;
  plane.x = memory;
  plane.x_row = patches_.row();
  plane.taps = taps_.columns.data();
  plane.tap_columns = static_cast<int64_t>(taps_.columns.size());
  plane.g_row = g_.ow;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t image = item / strips_, row = item % strips_ * strip_rows_;
    plane.rows = std::min(strip_rows_, g_.oh - row);
    if (plane.rows <= 0) continue;
    patches_.copy(g_.c, x_ + (image * g_.groups + group) * g_.c * g_.h * g_.w, row, memory);
    plane.sums = lane_sums;
    plane.g = dy_ + ((image * g_.groups + group) * g_.o * g_.oh + row) * g_.ow;
    for (int64_t o = 0; o < g_.o; ++o) {
      isa().conv_plane.of<T>().add_products(plane);
      plane.sums += taps_.count() * lanes_;
      plane.g += g_.oh * g_.ow;
    }
  }
  T* const ordered = lane_sums + spread;
  for (int64_t o = 0; o < g_.o; ++o) {
    isa().conv_plane.of<T>().sum_lanes(taps_.count(), lane_sums + o * taps_.count() * lanes_,
                                       ordered);
    for (size_t i = 0; i < taps_.order.size(); ++i)
      sums[o * taps_.count() + taps_.order[i]] = ordered[i];
  }
  return true;
}

template <class T>
void PlanesWeightGrad<T>::run(T* dw) const {
  if (taps_.count() == 0) {  // no weight meets the image
    std::fill(dw, dw + g_.groups * g_.o * g_.c * g_.kh * g_.kw, T(0));
    return;
  }
  const int64_t items = g_.n * strips_;
  const int64_t wanted = static_cast<int64_t>(
      std::clamp(work_ / kChunkOperations, 1.0, static_cast<double>(kMaxTasks)));
  const int64_t per_task = divide_up(items, std::min(items, divide_up(wanted, g_.groups)));
  const int64_t tasks = divide_up(items, per_task);  // of a group
  const int64_t weights = g_.o * taps_.count();
  const Scratch scratch(g_.groups * tasks * weights * static_cast<int64_t>(sizeof(T)));
  T* const sums = scratch.as<T>();
  if (!sums) throw std::bad_alloc();
  std::atomic<bool> no_memory{false};
  const int64_t grain = chunk_grain(g_.groups * tasks, work_);
  parallel_for(g_.groups * tasks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % tasks * per_task;
      if (!run_task(task / tasks, first, std::min(items, first + per_task), sums + task * weights))
        no_memory = true;
    }
  });
  if (no_memory) throw std::bad_alloc();
  const bool all = taps_.count() == g_.c * g_.kh * g_.kw;
  if (!all) std::fill(dw, dw + g_.groups * g_.o * g_.c * g_.kh * g_.kw, T(0));
  for (int64_t group = 0; group < g_.groups; ++group) {
    T* const total = sums + group * tasks * weights;
    for (int64_t task = 1; task < tasks; ++task)
      for (int64_t i = 0; i < weights; ++i) total[i] += total[task * weights + i];
    if (all) {
      std::copy(total, total + weights, dw + group * weights);
      continue;
    }
    const T* from = total;
    for (int64_t plane = group * g_.o * g_.c; plane < (group + 1) * g_.o * g_.c; ++plane)
      for (const int64_t r : rows_.tap)
        for (const int64_t t : cols_.tap) dw[(plane * g_.kh + r) * g_.kw + t] = *from++;
  }
}

}  // namespace

template <class T>
bool weight_grad_prefers_planes(const Conv2d& g) {
  return g.c * g.kh * g.kw <= kFewTaps && g.o < kFewOutputs;
}

template <class T>
void weight_grad_planes(const Conv2d& g, const T* dy, const T* x, T* dw) {
  PlanesWeightGrad<T>(g, dy, x).run(dw);
}

template bool weight_grad_prefers_planes<float>(const Conv2d&);
template bool weight_grad_prefers_planes<double>(const Conv2d&);
template void weight_grad_planes<float>(const Conv2d&, const float*, const float*, float*);
template void weight_grad_planes<double>(const Conv2d&, const double*, const double*, double*);

}  // namespace pag
