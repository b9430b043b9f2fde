#include "kernels/conv.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <type_traits>
#include <vector>

#include "isa/table.h"
#include "kernels/conv_groups.h"
#include "kernels/conv_images.h"
#include "kernels/conv_outputs.h"
#include "kernels/correlate.h"
#include "kernels/denormals.h"
#include "kernels/gemm.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/winograd.h"

namespace pag {
namespace {

constexpr int64_t kSampleBytes = 2 << 20;

// 1x1: for every image and group, out (m, pixels) = A (m, k) . in (k, pixels).
template <class T>
void pointwise(const Conv2d& g, int64_t m, int64_t k, const Matrix<T>& a, const T* in, T* out,
               const T* bias) {
  const int64_t pixels = g.h * g.w;
  Gemm<T> product{m, pixels, k, a, {in, pixels, 1}, out, pixels};
  product.epilogue = g.epilogue;
  GemmBatch batch;
  batch.ndim = 1;
  batch.shape[0] = g.n;
  batch.a_stride[0] = 0;
  batch.b_stride[0] = g.groups * k * pixels;
  batch.c_item = g.groups * m * pixels;
  for (int64_t group = 0; group < g.groups; ++group) {
    if (bias) {
      product.start = GemmStart::kRowBias;
      product.bias = bias + group * m;
    }
    gemm(product, batch);
    product.a.data += m * k;
    product.b.data += k * pixels;
    product.c += m * pixels;
  }
}

// 1x1 with a stride: the pixels that it meets are copied, of a few images at a time.
template <class T>
void sampled(const Conv2d& g, const T* weights, const T* x, T* y, const T* bias) {
  const int64_t planes = g.groups * g.c, pixels = g.oh * g.ow;
  const int64_t bytes = planes * pixels * static_cast<int64_t>(sizeof(T));
  Conv2d part = g;
  part.h = g.oh;
  part.w = g.ow;
  part.n = std::clamp<int64_t>(kSampleBytes / bytes, 1, g.n);
  const Scratch scratch(part.n * bytes);
  T* const sample = scratch.as<T>();
  if (!sample) throw std::bad_alloc();
  for (int64_t image = 0; image < g.n; image += part.n) {
    part.n = std::min(part.n, g.n - image);
    const T* const from = x + image * planes * g.h * g.w;
    parallel_for(part.n * planes, divide_up(kGrain, pixels), [&](int64_t begin, int64_t end) {
      T* to = sample + begin * pixels;
      for (int64_t plane = begin; plane < end; ++plane)
        for (int64_t i = 0; i < g.oh; ++i, to += g.ow) {
          const T* const row = from + (plane * g.h + i * g.stride[0]) * g.w;
          for (int64_t j = 0; j < g.ow; ++j) to[j] = row[j * g.stride[1]];
        }
    });
    pointwise(part, g.o, g.c, Matrix<T>{weights, g.c, 1}, sample,
              y + image * g.groups * g.o * pixels, bias);
  }
}

// The taps that both axes keep, of rows of weights (rows, c, kh, kw).
template <class T>
std::vector<T> kept_weights(const Conv2d& g, const Axis& rows, const Axis& cols, const T* weights) {
  std::vector<T> kept;
  kept.reserve(static_cast<size_t>(g.groups * g.o * g.c * rows.taps() * cols.taps()));
  for (int64_t i = 0; i < g.groups * g.o * g.c; ++i)
    for (const int64_t r : rows.tap)
      for (const int64_t t : cols.tap) kept.push_back(weights[(i * g.kh + r) * g.kw + t]);
  return kept;
}

// The input gradient along one dimension, for the inputs start, start + stride, ...: all meet the
// same taps tap0, tap0 + step, ... of the kernel.
struct GradPhase {
  int64_t start, count;
  int64_t tap0, step, taps;
  int64_t dilation, pad;  // of the correlation of dy with these taps in reverse order
};

// The phases that meet any tap.
std::vector<GradPhase> grad_phases(int64_t in, int64_t kernel, int64_t stride, int64_t dilation,
                                   int64_t padding) {
  std::vector<GradPhase> phases;
  const int64_t common = std::gcd(stride, dilation);
  for (int64_t tap = 0; tap < std::min(kernel, stride / common); ++tap) {
    // Output o meets input o * stride + t * dilation - padding.
    const int64_t phase = (tap * dilation - padding % stride + stride) % stride;
    if (phase >= in) continue;
    GradPhase p;
    p.start = phase;
    p.count = divide_up(in - phase, stride);
    p.tap0 = tap;
    p.step = stride / common;
    p.taps = (kernel - 1 - tap) / p.step + 1;
    p.dilation = dilation / common;
    const int64_t first_output = (phase + padding - tap * dilation) / stride;  // exact
    p.pad = (p.taps - 1) * p.dilation - first_output;
    phases.push_back(p);
  }
  return phases;
}

// Weights of a phase, as the correlation of dy needs them: (groups, c, o, taps), taps reversed.
template <class T>
std::vector<T> reversed_weights(const Conv2d& g, const GradPhase& rows, const GradPhase& cols,
                                const Axis& row_axis, const Axis& col_axis, const T* weights) {
  const int64_t taps = row_axis.taps() * col_axis.taps();
  std::vector<T> reversed(static_cast<size_t>(g.groups * g.c * g.o * taps));
  std::vector<int64_t> places;
  for (const int64_t r : row_axis.tap)
    for (const int64_t t : col_axis.tap)
      places.push_back((rows.tap0 + (rows.taps - 1 - r) * rows.step) * g.kw + cols.tap0 +
                       (cols.taps - 1 - t) * cols.step);
  const bool whole = taps == g.kh * g.kw;
  const int64_t block = 16;  // channels, whose lines stay in cache from one output to the next
  const int64_t blocks = divide_up(g.c, block);
  parallel_for(g.groups * blocks,
               std::max<int64_t>(1, kGrain / std::max<int64_t>(1, block * g.o * taps)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) {
                   const int64_t group = item / blocks, c0 = item % blocks * block;
                   for (int64_t o = 0; o < g.o; ++o)
                     for (int64_t c = c0; c < std::min(g.c, c0 + block); ++c) {
                       const T* from = weights + ((group * g.o + o) * g.c + c) * g.kh * g.kw;
                       T* to = reversed.data() + ((group * g.c + c) * g.o + o) * taps;
                       if (whole) {
                         std::reverse_copy(from, from + taps, to);
                         continue;
                       }
                       for (const int64_t place : places) *to++ = from[place];
                     }
                 }
               });
  return reversed;
}

// What Winograd's form covers: the forward and, its weights rotated, the input gradient.
WinogradConv winograd_form(const Conv2d& g, const float* x, const float* weights, const float* bias,
                           float* y) {
  return {g.n,
          g.groups,
          g.c,
          g.o,
          {g.h, g.w},
          {g.oh, g.ow},
          {g.padding[0], g.padding[1]},
          x,
          weights,
          g.o * g.c * 9,
          g.c * 9,
          9,
          false,
          bias,
          y,
          g.epilogue};
}
// False if it has no advantage.
bool try_winograd_input_grad(const Conv2d& g, const float* dy, const float* weights, float* dx) {
  if (!g.small_steps_3x3()) return false;
  const WinogradConv p{g.n,
                       g.groups,
                       g.o,
                       g.c,
                       {g.oh, g.ow},
                       {g.h, g.w},
                       {2 - g.padding[0], 2 - g.padding[1]},
                       dy,
                       weights,
                       g.o * g.c * 9,
                       9,
                       g.c * 9,
                       true,
                       nullptr,
                       dx,
                       g.epilogue};
  if (!winograd_wins(p)) return false;
  winograd(p);
  return true;
}
bool try_winograd_input_grad(const Conv2d&, const double*, const double*, double*) { return false; }

// The time that `correlate` takes, in cycles an output pixel of a core that multiplies one vector
// at a time. Measured: its packing of a vector of pixels is worth ten rows of weights, and turning
// the gradient's weights around takes two cycles each.
template <class T>
double correlate_cost(const ConvPass<T>& p) {
  const Conv2d& g = p.g;
  const auto count = [](int64_t n) { return static_cast<double>(n); };
  const int64_t lanes = isa().gemm.of<T>().lanes;
  const int64_t rows = p.gradient ? g.h : g.oh, columns = p.gradient ? g.w : g.ow;
  const double pixels = count(rows) * count(columns);
  const double weights = count(g.c) * count(g.o) * count(g.kh) * count(g.kw);
  const double reach = p.gradient ? 1 / count(g.stride[0] * g.stride[1]) : 1;     // of a tap
  const int64_t across = p.gradient ? divide_up(columns, g.stride[1]) : columns;  // of a phase
  const double in_rows = count(round_up(across, lanes)) / count(across);
  const double packed = 1 + 10 / count(std::min<int64_t>(p.outputs(), 96));
  return weights * reach / count(lanes) * std::min(in_rows, packed) +
         (p.gradient ? 2 * weights / (count(g.n) * pixels) : 0);
}

// What vectors run along.
enum class Vectors { kGroups, kImages, kOutputs, kPixels };

template <class T>
Vectors fastest_vectors(const ConvPass<T>& p) {
  if (prefers_groups(p)) return Vectors::kGroups;
  const double images = images_cost(p), outputs = outputs_cost(p);
  if (std::min(images, outputs) >= correlate_cost(p)) return Vectors::kPixels;
  return images < outputs ? Vectors::kImages : Vectors::kOutputs;
}

// False if vectors of neighbouring pixels are expected to be the fastest.
template <class T>
bool try_other_vectors(const ConvPass<T>& p) {
  switch (fastest_vectors(p)) {
    case Vectors::kGroups:
      conv_groups(p);
      return true;
    case Vectors::kImages:
      conv_images(p);
      return true;
    case Vectors::kOutputs:
      conv_outputs(p);
      return true;
    case Vectors::kPixels:
      break;
  }
  return false;
}

}  // namespace

template <class T>
WeightForm conv2d_weight_form(const Conv2d& g) {
  if (any_zero({g.n, g.groups, g.o, g.oh, g.ow, g.c, g.h, g.w}) || g.pointwise() || g.samples())
    return WeightForm::kPlain;
  if constexpr (std::is_same_v<T, float>)
    if (g.small_steps_3x3() && winograd_wins(winograd_form(g, nullptr, nullptr, nullptr, nullptr)))
      return WeightForm::kTransformed;
  const ConvPass<T> pass{g, false, nullptr, nullptr, nullptr, nullptr};
  return fastest_vectors(pass) == Vectors::kOutputs ? WeightForm::kPacked : WeightForm::kPlain;
}

template <class T>
int64_t conv2d_weights_size(const Conv2d& g, WeightForm form) {
  if (form == WeightForm::kTransformed)
    return winograd_weights_size(winograd_form(g, nullptr, nullptr, nullptr, nullptr));
  if (form == WeightForm::kPacked)
    return outputs_weights_size(ConvPass<T>{g, false, nullptr, nullptr, nullptr, nullptr});
  return 0;
}

template <class T>
void conv2d_make_ready(const Conv2d& g, WeightForm form, const T* weights, T* ready) {
  const FlushDenormals scope;
  if constexpr (std::is_same_v<T, float>)
    if (form == WeightForm::kTransformed)
      return winograd_weights(winograd_form(g, nullptr, weights, nullptr, nullptr), ready);
  pack_outputs_weights(ConvPass<T>{g, false, nullptr, weights, nullptr, nullptr}, ready);
}

template <class T>
void conv2d(const Conv2d& g, const T* x, const T* weights, const T* bias, T* y,
            const ReadyWeights<T>& ready) {
  const FlushDenormals scope;
  if (any_zero({g.n, g.groups, g.o, g.oh, g.ow})) return;
  if (any_zero({g.c, g.h, g.w})) {
    for (int64_t plane = 0; plane < g.n * g.groups * g.o; ++plane, y += g.oh * g.ow)
      std::fill(y, y + g.oh * g.ow, bias ? bias[plane % (g.groups * g.o)] : T(0));
    const int64_t size = g.n * g.groups * g.o * g.oh * g.ow;
    return finish(g.epilogue, y - size, size);
  }
  if (g.pointwise()) return pointwise(g, g.o, g.c, Matrix<T>{weights, g.c, 1}, x, y, bias);
  if (g.samples()) return sampled(g, weights, x, y, bias);
  if constexpr (std::is_same_v<T, float>)
    if (g.small_steps_3x3()) {
      WinogradConv p = winograd_form(g, x, weights, bias, y);
      if (ready.form == WeightForm::kTransformed) p.transformed = ready.data;
      if (winograd_wins(p)) return winograd(p);
    }
  ConvPass<T> pass{g, false, x, weights, bias, y};
  if (ready.form == WeightForm::kPacked) pass.packed = ready.data;
  if (try_other_vectors(pass)) return;
  const Axis rows(g.h, g.oh, g.kh, g.stride[0], g.dilation[0], g.padding[0]);
  const Axis cols(g.w, g.ow, g.kw, g.stride[1], g.dilation[1], g.padding[1]);
  std::vector<T> kept;
  if (rows.taps() < g.kh || cols.taps() < g.kw) kept = kept_weights(g, rows, cols, weights);
  std::vector<Correlation<T>> parts;
  parts.push_back({g.n, g.groups, g.c, g.o, rows, cols, x, kept.empty() ? weights : kept.data(),
                   bias, y, g.oh * g.ow, g.ow, 1, 0, g.epilogue});
  correlate(parts);
}

template <class T>
void conv2d_input_grad(const Conv2d& g, const T* dy, const T* weights, T* dx) {
  const FlushDenormals scope;
  if (any_zero({g.n, g.groups, g.c, g.h, g.w})) return;
  const int64_t size = g.n * g.groups * g.c * g.h * g.w;
  if (any_zero({g.o, g.oh, g.ow})) {
    std::fill(dx, dx + size, T(0));
    return finish(g.epilogue, dx, size);
  }
  if (g.pointwise())
    return pointwise(g, g.c, g.o, Matrix<T>{weights, 1, g.c}, dy, dx,
                     static_cast<const T*>(nullptr));
  if (try_winograd_input_grad(g, dy, weights, dx)) return;
  const ConvPass<T> pass{g, true, dy, weights, nullptr, dx};
  if (try_other_vectors(pass)) return;
  const auto row_phases = grad_phases(g.h, g.kh, g.stride[0], g.dilation[0], g.padding[0]);
  const auto col_phases = grad_phases(g.w, g.kw, g.stride[1], g.dilation[1], g.padding[1]);
  const auto covered = [](const std::vector<GradPhase>& phases) {
    int64_t count = 0;
    for (const GradPhase& p : phases) count += p.count;
    return count;
  };
  if (covered(row_phases) < g.h || covered(col_phases) < g.w) std::fill(dx, dx + size, T(0));
  // The inputs of one phase are a correlation of stride 1.
  std::vector<Correlation<T>> parts;
  std::vector<std::vector<T>> reversed;
  for (const GradPhase& r : row_phases)
    for (const GradPhase& t : col_phases) {
      const Axis rows(g.oh, r.count, r.taps, 1, r.dilation, r.pad);
      const Axis cols(g.ow, t.count, t.taps, 1, t.dilation, t.pad);
      reversed.push_back(reversed_weights(g, r, t, rows, cols, weights));
      parts.push_back({g.n, g.groups, g.o, g.c, rows, cols, dy, reversed.back().data(), nullptr,
                       dx + r.start * g.w + t.start, g.h * g.w, g.stride[0] * g.w, g.stride[1],
                       r.start});
    }
  const bool whole = g.stride[0] == 1 && g.stride[1] == 1;
  if (whole) parts[0].epilogue = g.epilogue;
  correlate(parts);
  if (!whole) finish(g.epilogue, dx, size);
}

template void conv2d<float>(const Conv2d&, const float*, const float*, const float*, float*,
                            const ReadyWeights<float>&);
template void conv2d<double>(const Conv2d&, const double*, const double*, const double*, double*,
                             const ReadyWeights<double>&);
template WeightForm conv2d_weight_form<float>(const Conv2d&);
template WeightForm conv2d_weight_form<double>(const Conv2d&);
template int64_t conv2d_weights_size<float>(const Conv2d&, WeightForm);
template int64_t conv2d_weights_size<double>(const Conv2d&, WeightForm);
template void conv2d_make_ready<float>(const Conv2d&, WeightForm, const float*, float*);
template void conv2d_make_ready<double>(const Conv2d&, WeightForm, const double*, double*);
template void conv2d_input_grad<float>(const Conv2d&, const float*, const float*, float*);
template void conv2d_input_grad<double>(const Conv2d&, const double*, const double*, double*);

}  // namespace pag
