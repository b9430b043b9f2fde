// Bound by memory: 4 bytes read for each input, and 4 written for each output. Each row is
// resampled along its columns once, or once for each output row where these are fewer. Of a copy
// that stays in the cache, two taps a dimension reach 15-20%, four 10%: the rest is arithmetic and
// the picking of lanes.
#include "kernels/resample.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <vector>

#include "isa/table.h"
#include "kernels/denormals.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kMostLanes = 16;

// A table with its weights in T, by tap, and padded to whole vectors.
template <class T>
class Axis {
 public:
  explicit Axis(const ResampleTable* t) {
    if (!t) return;
    const int64_t padded = round_up(t->count, kMostLanes);
    begin_.resize(static_cast<size_t>(padded));
    weight_.resize(static_cast<size_t>(padded * t->taps));
    for (int64_t i = 0; i < padded; ++i) {
      const int64_t from = std::min(i, t->count - 1);
      begin_[static_cast<size_t>(i)] = static_cast<Index>(t->begin[from]);
      for (int64_t k = 0; i < t->count && k < t->taps; ++k)
        weight_[static_cast<size_t>(k * padded + i)] = static_cast<T>(t->weight[i * t->taps + k]);
    }
    loops_ = {t->count, t->taps, padded, begin_.data(), weight_.data()};
  }
  const ResampleAxis<T>& loops() const { return loops_; }
  // Beyond the inputs of a row, what vectors may read.
  int64_t slack() const { return loops_.taps + 2 * kMostLanes; }

 private:
  using Index = typename Place<T>::type;
  std::vector<Index> begin_;
  std::vector<T> weight_;
  ResampleAxis<T> loops_ = {};
};

// What a chunk of output rows of one plane works on.
template <class T>
class Planes {
 public:
  Planes(const T* x, int64_t planes, int64_t height, int64_t width, const ResampleTable* rows,
         const ResampleTable* columns, T* out)
      : loops_(isa().resample.of<T>()),
        x_(x),
        end_(x + planes * height * width),
        height_(height),
        width_(width),
        rows_(rows),
        along_(columns),
        resampled_(columns != nullptr),
        out_(out),
        out_height_(rows ? rows->count : height),
        out_width_(columns ? columns->count : width),
        stride_(round_up(out_width_, kMostLanes)),
        room_(round_up(width + along_.slack(), kMostLanes)),
        taps_(rows ? rows->taps : 1) {
    while (ring_ < taps_) ring_ *= 2;
  }

  // Rows along their columns first where that makes fewer of them; else sums of rows first.
  bool columns_first() const { return resampled_ && out_height_ >= height_; }

  int64_t scratch_bytes() const {
    const int64_t values = room_ + (columns_first() ? ring_ * stride_ : 0) + taps_;
    return values * static_cast<int64_t>(sizeof(T)) + taps_ * static_cast<int64_t>(sizeof(T*));
  }

  void run(int64_t plane, int64_t begin, int64_t end, void* scratch) const {
    const T** const pointers = static_cast<const T**>(scratch);
    T* const buffer = reinterpret_cast<T*>(pointers + taps_);  // a row and what may be read beyond
    T* const weights = buffer + room_;
    T* const ring = weights + taps_;
    std::fill(buffer, buffer + room_, T{0});
    const T* const from = x_ + plane * height_ * width_;
    T* to = out_ + (plane * out_height_ + begin) * out_width_;
    int64_t ready = 0;  // rows below are in the ring
    for (int64_t i = begin; i < end; ++i, to += out_width_) {
      if (!rows_) {
        along(to, from + i * width_, buffer);
        continue;
      }
      const int64_t first = rows_->begin[i], last = std::min(first + taps_, height_);
      if (columns_first())
        for (ready = std::max(ready, first); ready < last; ++ready)
          along(ring + (ready & (ring_ - 1)) * stride_, from + ready * width_, buffer);
      int64_t n = 0;
      for (int64_t r = first; r < last; ++r) {
        weights[n] = static_cast<T>(rows_->weight[i * taps_ + r - first]);
        pointers[n] = columns_first() ? ring + (r & (ring_ - 1)) * stride_ : from + r * width_;
        n += weights[n] != 0;
      }
      if (!resampled_ || columns_first()) {
        loops_.rows(to, pointers, weights, n, out_width_);
      } else {
        loops_.rows(buffer, pointers, weights, n, width_);
        loops_.columns(to, buffer, along_.loops());
      }
    }
  }

  int64_t out_height() const { return out_height_; }
  int64_t row_work() const { return std::max(width_, out_width_) * (1 + taps_); }

 private:
  // One row along its columns; through the buffer where vectors would read beyond the array.
  void along(T* to, const T* row, T* buffer) const {
    const size_t bytes = static_cast<size_t>(width_) * sizeof(T);
    if (!resampled_) {
      std::memcpy(to, row, bytes);
      return;
    }
    if (end_ - row < room_) {
      std::memcpy(buffer, row, bytes);
      row = buffer;
    }
    loops_.columns(to, row, along_.loops());
  }

  const ResampleLoops<T>& loops_;
  const T *x_, *end_;
  int64_t height_, width_;
  const ResampleTable* rows_;
  Axis<T> along_;
  bool resampled_;
  T* out_;
  int64_t out_height_, out_width_, stride_, room_, taps_;
  int64_t ring_ = 1;  // rows that are kept: a power of two
};

}  // namespace

template <class T>
void resample2d(const T* x, int64_t planes, int64_t height, int64_t width,
                const ResampleTable* rows, const ResampleTable* columns, T* out) {
  const FlushDenormals scope;
  const Planes<T> work(x, planes, height, width, rows, columns, out);
  const int64_t count = work.out_height();
  if (any_zero({planes, height, width, count})) return;
  // A chunk is a part of a plane, or several small planes.
  const int64_t a_part = balanced(count, std::max<int64_t>(1, kGrain / work.row_work()), 1);
  const int64_t parts = divide_up(count, a_part);
  std::atomic<bool> failed{false};
  parallel_for(planes * parts, std::max<int64_t>(1, kGrain / (a_part * work.row_work())),
               [&](int64_t begin, int64_t end) {
                 const Scratch scratch(work.scratch_bytes());
                 if (!scratch) {
                   failed = true;
                   return;
                 }
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t first = i % parts * a_part;
                   work.run(i / parts, first, std::min(count, first + a_part), scratch.as<void>());
                 }
               });
  if (failed) throw std::bad_alloc();
}

template void resample2d<float>(const float*, int64_t, int64_t, int64_t, const ResampleTable*,
                                const ResampleTable*, float*);
template void resample2d<double>(const double*, int64_t, int64_t, int64_t, const ResampleTable*,
                                 const ResampleTable*, double*);

}  // namespace pag
