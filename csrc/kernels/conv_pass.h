// A convolution or its input gradient, as one: both sum weights times a source over channels and
// taps.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/conv.h"
#include "kernels/numeric.h"

namespace pag {

// In dimensions of larger kernels taps outside of the source are not left out: there would be too
// many kinds of outputs.
constexpr int64_t kExactTaps = 8;

// out[n, g, m, y, x] = bias[g, m] + sum over channels and taps of weight * source. In the gradient
// the channels are conv2d's outputs, and m its channels.
template <class T>
struct ConvPass {
  const Conv2d& g;
  bool gradient;
  const T* x;
  const T* weights;
  const T* bias;  // or null
  T* out;
  const T* packed = nullptr;  // of pack_outputs_weights, if that was called before

  int64_t channels() const { return gradient ? g.o : g.c; }
  int64_t outputs() const { return gradient ? g.c : g.o; }
  int64_t source_pixels() const { return gradient ? g.oh * g.ow : g.h * g.w; }
  int64_t output_pixels() const { return gradient ? g.h * g.w : g.oh * g.ow; }
  // Weights that a pixel of an output meets within the source, on average.
  double depth() const {
    double met = static_cast<double>(channels()) / static_cast<double>(output_pixels());
    const int64_t in[] = {g.h, g.w}, out[] = {g.oh, g.ow}, kernel[] = {g.kh, g.kw};
    for (int d = 0; d < 2; ++d) {
      int64_t pairs = 0;  // of outputs of conv2d and taps
      for (int64_t t = 0; t < kernel[d]; ++t) {
        const int64_t from = t * g.dilation[d] - g.padding[d];  // what output 0 meets
        const int64_t first = std::max<int64_t>(0, divide_up(-from, g.stride[d]));
        const int64_t last = std::min(out[d] - 1, divide_down(in[d] - 1 - from, g.stride[d]));
        if (kernel[d] > kExactTaps)
          pairs += out[d];
        else
          pairs += std::max<int64_t>(0, last - first + 1);
      }
      met *= static_cast<double>(pairs);
    }
    return met;
  }
};

// A tap, and the source position from which it reads output 0 of its phase.
struct TapAt {
  int64_t tap, from;
};

// Outputs start, start + step, ... of one dimension: all meet the same taps, and from one to the
// next the source moves by source_step.
struct OutputPhase {
  int64_t start;
  std::vector<TapAt> taps;
};

// The taps [first, last) of a phase.
struct TapRange {
  size_t phase, first, last;
  size_t count() const { return last - first; }
  bool operator==(const TapRange& o) const {
    return phase == o.phase && first == o.first && last == o.last;
  }
};

// Outputs of one dimension that meet the same taps; places count from some first output.
struct EqualTaps {
  TapRange met;
  std::vector<int64_t> places;
};

struct Dimension {
  Dimension(bool gradient, int64_t in_, int64_t out_, int64_t kernel, int64_t stride,
            int64_t dilation, int64_t padding)
      : in(in_),
        out(out_),
        step(gradient ? stride : 1),
        source_step(gradient ? 1 : stride),
        exact(kernel <= kExactTaps) {
    for (int64_t start = 0; start < std::min(step, out); ++start) {
      OutputPhase phase{start, {}};
      phase.taps.reserve(static_cast<size_t>(kernel));
      const int64_t last = (out - 1 - start) / step * source_step;  // as far as the source moves
      for (int64_t t = 0; t < kernel; ++t) {
        const int64_t offset = gradient ? start + padding - t * dilation : t * dilation - padding;
        if (gradient && offset % stride != 0) continue;
        const int64_t from = gradient ? offset / stride : offset;
        if (from + last < 0 || from >= in) continue;
        phase.taps.push_back({t, from});
        if (low > high) low = high = from;
        low = std::min(low, from);
        high = std::max(high, from);
      }
      phases.push_back(std::move(phase));
    }
    if (low > high) low = high = 0;
  }
  Dimension(const Conv2d& g, bool gradient, int d)
      : Dimension(gradient, gradient ? (d ? g.ow : g.oh) : (d ? g.w : g.h),
                  gradient ? (d ? g.w : g.h) : (d ? g.ow : g.oh), d ? g.kw : g.kh, g.stride[d],
                  g.dilation[d], g.padding[d]) {}
  template <class T>
  static Dimension rows(const ConvPass<T>& p) {
    return {p.g, p.gradient, 0};
  }
  template <class T>
  static Dimension cols(const ConvPass<T>& p) {
    return {p.g, p.gradient, 1};
  }

  // The taps that an output meets; within the source, if these are `exact`.
  TapRange met(int64_t output) const {
    const int64_t source = output / step * source_step;
    TapRange range{static_cast<size_t>(output % step), 0, 0};
    const std::vector<TapAt>& taps = phases[range.phase].taps;
    const auto outside = [&](size_t i) {
      return source + taps[i].from < 0 || source + taps[i].from >= in;
    };
    range.last = taps.size();
    if (!exact) return range;
    while (range.first < range.last && outside(range.first)) ++range.first;
    while (range.first < range.last && outside(range.last - 1)) --range.last;
    return range;
  }

  // Outputs [begin, end) by what they meet, within the source or, if `beyond`, also zeros beside
  // it; places count from `begin`.
  std::vector<EqualTaps> by_taps(int64_t begin, int64_t end, bool beyond = false) const {
    std::vector<EqualTaps> all;
    for (int64_t i = begin; i < end; ++i) {
      const size_t phase = static_cast<size_t>(i % step);
      const TapRange range = beyond ? TapRange{phase, 0, phases[phase].taps.size()} : met(i);
      const auto found =
          std::find_if(all.begin(), all.end(), [&](const EqualTaps& e) { return e.met == range; });
      EqualTaps& equal = found == all.end() ? all.emplace_back(EqualTaps{range, {}}) : *found;
      equal.places.push_back(i - begin);
    }
    return all;
  }
  // What outputs from `output` on, and those before `end`, read of the source: [top, bottom).
  int64_t top(int64_t output) const {
    return std::clamp<int64_t>(output / step * source_step + low, 0, in);
  }
  int64_t bottom(int64_t end) const {
    return std::clamp<int64_t>((end - 1) / step * source_step + high + 1, 0, in);
  }
  // The length of tasks, of which there should be `wanted`, but more where they would read more
  // than `source` positions and fewer where they would be shorter than a few.
  int64_t task_length(int64_t source, int64_t wanted) const {
    const int64_t fitting = std::max(step, std::max<int64_t>(1, source) * step / source_step);
    const int64_t most = divide_up(out, 4 * step);
    return divide_up(out, std::max(divide_up(out, fitting), std::min(wanted, most)));
  }
  // Most positions that a task reads.
  int64_t task_source(int64_t length) const { return std::min(in, extent(length + step - 1)); }

  // Outputs of a phase among the first `rows`, and the length of the source that those read.
  int64_t count(const OutputPhase& p, int64_t rows) const {
    return rows > p.start ? (rows - 1 - p.start) / step + 1 : 0;
  }
  int64_t extent(int64_t rows) const { return (rows - 1) / step * source_step + high - low + 1; }

  int64_t in, out, step, source_step;
  bool exact;
  int64_t low = 1, high = 0;  // of the positions that output 0 of a phase reads
  std::vector<OutputPhase> phases;
};

}  // namespace pag
