// Rows of several images as pixels of a vector each, whose lanes are the images.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "isa/table.h"

namespace pag {

// (channels, rows, left + width + right, lanes). What lies to the left and to the right of the
// images is zero, once `clear` has made it so.
class LaneImages {
 public:
  // From one image to the next there are `step` elements, from one channel to the next `plane`.
  LaneImages(int64_t lanes, int64_t step, int64_t channels, int64_t plane, int64_t width,
             int64_t left = 0, int64_t right = 0)
      : lanes_(lanes),
        step_(step),
        channels_(channels),
        plane_(plane),
        width_(width),
        left_(left),
        right_(right) {}
  // Most rows of a copy.
  void set_rows(int64_t rows) {
    rows_ = rows;
    places_.reserve(static_cast<size_t>(rows * width_));
    for (int64_t y = 0; y < rows; ++y)
      for (int64_t x = 0; x < width_; ++x) places_.push_back(y * row() + (left_ + x) * lanes_);
  }

  int64_t left() const { return left_; }
  int64_t row() const { return (left_ + width_ + right_) * lanes_; }
  int64_t channel() const { return rows_ * row(); }
  int64_t elements() const { return channels_ * channel(); }

  template <class T>
  void clear(T* to) const {
    if (left_ + right_) std::fill(to, to + elements(), T(0));
  }
  // `rows` rows of the `lanes` images at x, from row `first` of the copy on.
  template <class T>
  void copy(int lanes, int64_t rows, const T* x, int64_t first, T* to) const {
    for (int64_t c = 0; c < channels_; ++c)
      isa().conv_lanes.of<T>().to_lanes(rows * width_, lanes, x + c * plane_, step_, places_.data(),
                                        to + c * channel() + first * row());
  }

 private:
  int64_t lanes_, step_, channels_, plane_, width_, left_, right_, rows_ = 0;
  std::vector<int64_t> places_;  // of pixels
};

}  // namespace pag
