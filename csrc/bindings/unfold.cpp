#include "kernels/unfold.h"

#include <tuple>

#include "bindings/common.h"

namespace pag {
namespace {

using Pair = std::tuple<int64_t, int64_t>;
constexpr int64_t kLargest = int64_t{1} << 31;  // of any size or step: products stay in 64 bits

std::string pair_string(const int64_t (&p)[2]) {
  return "(" + std::to_string(p[0]) + ", " + std::to_string(p[1]) + ")";
}

void set_pair(const char* op, const char* name, const Pair& from, int64_t least, int64_t (&to)[2]) {
  to[0] = std::get<0>(from);
  to[1] = std::get<1>(from);
  for (const int64_t v : to)
    if (v < least || v >= kLargest)
      throw py::value_error(std::string(op) + ": expected " + name + " of at least " +
                            std::to_string(least) + ", got " + pair_string(to));
}

Windows checked_windows(const char* op, int64_t height, int64_t width, const Pair& kernel,
                        const Pair& dilation, const Pair& padding, const Pair& stride) {
  Windows w;
  w.height = height;
  w.width = width;
  set_pair(op, "kernel_size", kernel, 1, w.kernel);
  set_pair(op, "dilation", dilation, 1, w.dilation);
  set_pair(op, "padding", padding, 0, w.padding);
  set_pair(op, "stride", stride, 1, w.stride);
  const int64_t size[2] = {height, width};
  for (int d = 0; d < 2; ++d) {
    int64_t reach, span;
    if (size[d] >= kLargest || __builtin_mul_overflow(w.dilation[d], w.kernel[d] - 1, &reach) ||
        __builtin_sub_overflow(size[d] + 2 * w.padding[d] - 1, reach, &span) || span < 0)
      throw py::value_error(std::string(op) + ": a kernel of " + pair_string(w.kernel) +
                            " (dilation " + pair_string(w.dilation) + ") does not fit into " +
                            pair_string(size) + " with padding " + pair_string(w.padding));
    w.count[d] = span / w.stride[d] + 1;
  }
  return w;
}

// (N, C, H, W) -> (N, C * kh * kw, windows)
Array unfold_array(const Array& input, const Pair& kernel, const Pair& dilation,
                   const Pair& padding, const Pair& stride) {
  const bool single = check_float("unfold", {&input});
  check_ndim("unfold", "input", input, 4);
  Windows w =
      checked_windows("unfold", input.shape(2), input.shape(3), kernel, dilation, padding, stride);
  w.planes = input.shape(0) * input.shape(1);
  int64_t rows;
  if (__builtin_mul_overflow(input.shape(1) * w.kernel[0], w.kernel[1], &rows))
    throw std::bad_alloc();
  const Array x = contiguous(input);
  const Array out = new_array(x.typenum(), {x.shape(0), rows, w.columns()});
  KernelScope scope(out.size());
  if (single)
    unfold(w, x.data<const float>(), out.data<float>());
  else
    unfold(w, x.data<const double>(), out.data<double>());
  return out;
}

// (N, C * kh * kw, windows) -> (N, C, H, W)
Array fold_array(const Array& input, const Pair& output_hw, const Pair& kernel,
                 const Pair& dilation, const Pair& padding, const Pair& stride) {
  const bool single = check_float("fold", {&input});
  check_ndim("fold", "input", input, 3);
  int64_t hw[2];
  set_pair("fold", "output_size", output_hw, 1, hw);
  Windows w = checked_windows("fold", hw[0], hw[1], kernel, dilation, padding, stride);
  if (w.kernel[0] * w.kernel[1] == 0 || input.shape(1) % w.taps() != 0 ||
      input.shape(2) != w.columns())
    throw py::value_error("fold: expected columns (N, C * " + std::to_string(w.taps()) + ", " +
                          std::to_string(w.columns()) + ") for output " + pair_string(hw) +
                          ", got " + shape_string(input));
  const int64_t channels = input.shape(1) / w.taps();
  w.planes = input.shape(0) * channels;
  const Array x = contiguous(input);
  const Array out = new_array(x.typenum(), {x.shape(0), channels, hw[0], hw[1]});
  KernelScope scope(x.size());
  if (single)
    fold(w, x.data<const float>(), out.data<float>());
  else
    fold(w, x.data<const double>(), out.data<double>());
  return out;
}

}  // namespace

void bind_unfold(py::module_& m) {
  m.def("unfold", &unfold_array);
  m.def("fold", &fold_array);
}

}  // namespace pag
