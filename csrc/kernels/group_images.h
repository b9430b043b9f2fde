// Rows of the images of some groups, as pixels of a vector each.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "isa/table.h"

namespace pag {

// (channels, rows, left + width + right, lanes): a vector's lanes are the groups, and what lies to
// the left and to the right of an image is zero.
class GroupImages {
 public:
  GroupImages(int64_t lanes, int64_t channels, int64_t width, int64_t left, int64_t right)
      : lanes_(lanes), channels_(channels), width_(width), left_(left), right_(right) {}
  // Most rows of a copy.
  void set_rows(int64_t rows) {
    rows_ = rows;
    places_.reserve(static_cast<size_t>(rows * width_));
    for (int64_t y = 0; y < rows; ++y)
      for (int64_t x = 0; x < width_; ++x) places_.push_back(y * row() + (left_ + x) * lanes_);
  }

  int64_t left() const { return left_; }
  int64_t row() const { return (left_ + width_ + right_) * lanes_; }
  int64_t plane() const { return rows_ * row(); }
  int64_t elements() const { return channels_ * plane(); }

  // What `copy` leaves as it is.
  template <class T>
  void clear(T* to) const {
    std::fill(to, to + elements(), T(0));
  }

  // Rows of the images at x, which belong to `lanes` groups and are `plane` elements apart, from
  // row `first` of the copy on.
  template <class T>
  void copy(int lanes, int64_t rows, const T* x, int64_t plane, int64_t first, T* to) const {
    for (int64_t c = 0; c < channels_; ++c)
      isa().conv_groups.of<T>().to_lanes(rows * width_, lanes, x + c * plane, channels_ * plane,
                                         places_.data(),
                                         to + c * this->plane() + first * row());
  }

 private:
  int64_t lanes_, channels_, width_, left_, right_, rows_ = 0;
  std::vector<int64_t> places_;  // of pixels
};

}  // namespace pag
