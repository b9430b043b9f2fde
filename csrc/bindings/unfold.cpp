#include "kernels/unfold.h"

#include "bindings/common.h"

namespace pag {
namespace {

Windows checked_windows(const char* op, int64_t height, int64_t width, const py::tuple& kernel,
                        const py::tuple& dilation, const py::tuple& padding,
                        const py::tuple& stride) {
  Windows w;
  w.height = height;
  w.width = width;
  read_pair(op, "kernel_size", kernel, 1, w.kernel);
  read_pair(op, "dilation", dilation, 1, w.dilation);
  read_pair(op, "padding", padding, 0, w.padding);
  read_pair(op, "stride", stride, 1, w.stride);
  const int64_t size[2] = {height, width};
  for (int d = 0; d < 2; ++d) {
    int64_t reach, span;
    if (size[d] >= kPairLimit || __builtin_mul_overflow(w.dilation[d], w.kernel[d] - 1, &reach) ||
        __builtin_sub_overflow(size[d] + 2 * w.padding[d] - 1, reach, &span) || span < 0)
      throw py::value_error(std::string(op) + ": a kernel of " + pair_string(w.kernel) +
                            " (dilation " + pair_string(w.dilation) + ") does not fit into " +
                            pair_string(size) + " with padding " + pair_string(w.padding));
    w.count[d] = span / w.stride[d] + 1;
  }
  return w;
}

// (N, C, H, W) -> (N, C * kh * kw, windows)
Array unfold_array(const Array& input, const py::tuple& kernel, const py::tuple& dilation,
                   const py::tuple& padding, const py::tuple& stride) {
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
  with_float(single, [&](auto t) {
    using T = decltype(t);
    unfold(w, x.data<const T>(), out.data<T>());
  });
  return out;
}

// (N, C * kh * kw, windows) -> (N, C, H, W)
Array fold_array(const Array& input, const py::tuple& output_hw, const py::tuple& kernel,
                 const py::tuple& dilation, const py::tuple& padding, const py::tuple& stride) {
  const bool single = check_float("fold", {&input});
  check_ndim("fold", "input", input, 3);
  int64_t hw[2];
  read_pair("fold", "output_size", output_hw, 1, hw);
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
  with_float(single, [&](auto t) {
    using T = decltype(t);
    fold(w, x.data<const T>(), out.data<T>());
  });
  return out;
}

}  // namespace

void bind_unfold(py::module_& m) {
  m.def("unfold", &unfold_array);
  m.def("fold", &fold_array);
}

}  // namespace pag
