#include "kernels/patches.h"

#include <algorithm>

#include "isa/table.h"
#include "kernels/numeric.h"

namespace pag {

Axis::Axis(int64_t in_, int64_t out_, int64_t kernel, int64_t stride_, int64_t dilation,
           int64_t pad_)
    : in(in_), out(out_), stride(stride_), pad(pad_) {
  for (int64_t t = 0; t < kernel; ++t) {
    // Outputs o with 0 <= o * stride + t * dilation - pad < in.
    const int64_t first = std::max<int64_t>(0, divide_up(pad - t * dilation, stride));
    const int64_t last = std::min(out - 1, divide_down(in - 1 + pad - t * dilation, stride));
    if (first > last) continue;
    const int64_t its_phase = t * dilation % stride;
    const auto found = std::find(phase.begin(), phase.end(), its_phase);
    tap.push_back(t);
    slot.push_back(found - phase.begin());
    shift.push_back(t * dilation / stride);
    if (found == phase.end()) phase.push_back(its_phase);
  }
  if (tap.empty()) return;
  base = shift.front();
  extra = shift.back() - base;
  for (int64_t& s : shift) s -= base;
}

int64_t Axis::valid(int64_t which, int64_t start, int64_t length, int64_t* first,
                    int64_t* last) const {
  const int64_t origin = phase[static_cast<size_t>(which)] - pad + stride * (base + start);
  *first = std::clamp<int64_t>(divide_up(-origin, stride), 0, length);
  *last = std::clamp<int64_t>(divide_down(in - 1 - origin, stride) + 1, *first, length);
  return *first < *last ? origin + *first * stride : 0;
}

Patches::Patches(const Axis& rows, const Axis& cols, int64_t out_rows, int64_t itemsize,
                 int64_t line)
    : rows_(rows), cols_(cols), height_(out_rows + rows.extra), width_(cols.out + cols.extra) {
  row_ = std::max(cols.slots() * width_, cols.slots() * width_ <= line ? line : 0);
  plane_ = rows.slots() * height_ * row_;
  // Channels 4 KB apart would collide in the L1 cache.
  if (plane_ * itemsize % 4096 < 64) plane_ += 64 / itemsize;
  for (int64_t p = 0; p < cols.slots(); ++p) {
    int64_t left, right;
    const int64_t from = cols.valid(p, 0, width_, &left, &right);
    pieces_.push_back({left, from, right - left});
  }
}

std::vector<int64_t> Patches::offsets(int64_t channels) const {
  std::vector<int64_t> result;
  result.reserve(static_cast<size_t>(channels * rows_.taps() * cols_.taps()));
  for (int64_t c = 0; c < channels; ++c)
    for (size_t r = 0; r < rows_.tap.size(); ++r)
      for (size_t t = 0; t < cols_.tap.size(); ++t)
        result.push_back(c * plane_ + (rows_.slot[r] * height_ + rows_.shift[r]) * row_ +
                         cols_.slot[t] * width_ + cols_.shift[t]);
  return result;
}

template <class T>
void Patches::copy(int64_t channels, const T* x, int64_t first_row, T* to) const {
  const auto pad_rows = isa().conv.of<T>().pad_rows;
  for (int64_t c = 0; c < channels; ++c, x += rows_.in * cols_.in, to += plane_)
    for (int64_t q = 0; q < rows_.slots(); ++q) {
      int64_t top, bottom;
      const int64_t first = rows_.valid(q, first_row, height_, &top, &bottom);
      pad_rows(top, bottom - top, height_ - bottom, x + first * cols_.in, rows_.stride * cols_.in,
               cols_.stride, pieces_.data(), cols_.slots(), width_, to + q * height_ * row_, row_);
    }
}

template void Patches::copy<float>(int64_t, const float*, int64_t, float*) const;
template void Patches::copy<double>(int64_t, const double*, int64_t, double*) const;

std::vector<PixelRun> pixel_runs(int64_t images, int64_t image_step, const Patches& patches,
                                 int64_t rows, int64_t columns, int64_t piece, int64_t to_image,
                                 int64_t to_row) {
  std::vector<PixelRun> runs;
  runs.reserve(static_cast<size_t>(images * rows * divide_up(columns, piece)));
  for (int64_t i = 0; i < images; ++i)
    for (int64_t y = 0; y < rows; ++y)
      for (int64_t x = 0; x < columns; x += piece)
        runs.push_back({i * image_step + y * patches.row() + x, i * to_image + y * to_row + x,
                        std::min(piece, columns - x)});
  return runs;
}

}  // namespace pag
