// What a correlation reads from an image: copies with borders, in which the inputs that one weight
// meets at consecutive output pixels are neighbours, for any stride and dilation.
//
// With stride s a copy is split into phases: input x goes to phase x % s at x / s. Only the phases
// and taps that some output needs are kept, so that a copy never grows beyond a small multiple of
// the image and its output, whatever stride, padding and dilation are.
#pragma once
#include <cstdint>
#include <vector>

#include "isa/conv.h"

namespace pag {

// One dimension: output o meets input o * stride + t * dilation - pad at tap t of the kernel. pad
// may be negative, which crops.
struct Axis {
  Axis(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad);

  int64_t in, out, stride, pad;
  std::vector<int64_t> tap;    // taps that meet the image at some output; per tap:
  std::vector<int64_t> slot;   //   the slot (phase) it reads
  std::vector<int64_t> shift;  //   from where output 0 reads in it
  std::vector<int64_t> phase;  // of each slot
  int64_t base = 0;            // position j of a slot holds input phase + stride * (j + base) - pad
  int64_t extra = 0;           // n outputs read positions [0, n + extra)

  int64_t taps() const { return static_cast<int64_t>(tap.size()); }
  int64_t slots() const { return static_cast<int64_t>(phase.size()); }
  // Positions [first, last) of a slot of `length` positions from `start` that lie in the image;
  // returns the input at `first`.
  int64_t valid(int64_t which, int64_t start, int64_t length, int64_t* first, int64_t* last) const;
};

// Layout of the copy of `out_rows` output rows' inputs.
class Patches {
 public:
  // Rows that fit `line` elements are that far apart, so that a vector of one lies in one store.
  Patches(const Axis& rows, const Axis& cols, int64_t out_rows, int64_t itemsize, int64_t line = 0);

  int64_t row() const { return row_; }      // from one output row's inputs to the next's
  int64_t plane() const { return plane_; }  // from one channel to the next
  // Where weight (channel, tap, tap) finds its input, from the output pixel's own position.
  std::vector<int64_t> offsets(int64_t channels) const;

  // Copies `channels` images (rows.in, cols.in) for the output rows from first_row on.
  template <class T>
  void copy(int64_t channels, const T* x, int64_t first_row, T* to) const;

 private:
  const Axis& rows_;
  const Axis& cols_;
  int64_t height_, width_, row_, plane_;
  std::vector<PaddedPiece> pieces_;  // of a row
};

// The runs of `images` copies, image_step apart: rows of `columns` pixels cut into pieces of at
// most `piece`. Pixel (i, y, x) is written to i * to_image + y * to_row + x.
std::vector<PixelRun> pixel_runs(int64_t images, int64_t image_step, const Patches& patches,
                                 int64_t rows, int64_t columns, int64_t piece, int64_t to_image,
                                 int64_t to_row);

// Elements that the loops may read past a copy.
constexpr int64_t kPatchSlack = 64;

}  // namespace pag
