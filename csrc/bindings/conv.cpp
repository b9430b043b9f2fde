// conv2d and its two gradients: geometry is checked here, once for all three.
#include "kernels/conv.h"

#include <algorithm>

#include "bindings/common.h"
#include "kernels/winograd.h"

namespace pag {
namespace {

// Fills the geometry from x (n, C, h, w) and weights (O, C / groups, kh, kw).
Conv2d geometry(const char* op, const npy_intp* x, const npy_intp* w, const py::tuple& stride,
                const py::tuple& padding, const py::tuple& dilation, int64_t groups) {
  Conv2d g;
  read_pair(op, "stride", stride, 1, g.stride);
  read_pair(op, "padding", padding, 0, g.padding);
  read_pair(op, "dilation", dilation, 1, g.dilation);
  if (groups < 1)
    throw py::value_error(std::string(op) + ": expected groups of at least 1, got " +
                          std::to_string(groups));
  const std::string weight = "weight " + shape_string(4, w), input = "input " + shape_string(4, x);
  for (int d = 0; d < 4; ++d)
    if (x[d] < 0 || w[d] < 0)
      throw py::value_error(std::string(op) + ": expected sizes of at least 0, got " + input +
                            " and " + weight);
  if (w[0] % groups != 0)
    throw py::value_error(std::string(op) + ": expected output channels divisible by groups=" +
                          std::to_string(groups) + ", got " + weight);
  if (x[1] % groups != 0 || x[1] / groups != w[1]) {
    int64_t expected;
    const bool fits = !__builtin_mul_overflow(static_cast<int64_t>(w[1]), groups, &expected);
    throw py::value_error(std::string(op) + ": expected " +
                          (fits ? std::to_string(expected) : "more") + " input channels (" +
                          weight + " with groups=" + std::to_string(groups) + "), got " + input);
  }
  g.n = x[0];
  g.groups = groups;
  g.c = w[1];
  g.o = w[0] / groups;
  g.h = x[2];
  g.w = x[3];
  g.kh = w[2];
  g.kw = w[3];
  int64_t out[2];
  for (int d = 0; d < 2; ++d) {
    const int64_t in = x[2 + d], kernel = w[2 + d];
    int64_t padded, extent;
    if (kernel < 1)
      throw py::value_error(std::string(op) + ": expected a kernel of at least 1x1, got " + weight);
    if (__builtin_add_overflow(in, 2 * g.padding[d], &padded) ||
        __builtin_mul_overflow(kernel - 1, g.dilation[d], &extent) || extent >= padded)
      throw py::value_error(std::string(op) + ": the kernel (" + weight + ", dilation " +
                            pair_string(g.dilation) + ") is larger than the padded input (" +
                            input + ", padding " + pair_string(g.padding) + ")");
    out[d] = (padded - extent - 1) / g.stride[d] + 1;
  }
  g.oh = out[0];
  g.ow = out[1];
  return g;
}

void check_output(const char* op, const Conv2d& g, const Array& dy) {
  const npy_intp expected[4] = {g.n, g.groups * g.o, g.oh, g.ow};
  if (!std::equal(expected, expected + 4, dy.shape()))
    throw py::value_error(std::string(op) + ": expected the output's gradient with shape " +
                          shape_string(4, expected) + ", got " + shape_string(dy));
}

void read_size(const char* op, const char* name, const py::tuple& size, npy_intp* to) {
  int64_t pair[2];
  read_pair(op, name, size, 0, pair);
  to[0] = pair[0];
  to[1] = pair[1];
}

// Work for KernelScope.
int64_t work(const Conv2d& g) {
  const double products = static_cast<double>(g.n) * static_cast<double>(g.groups * g.o) *
                          static_cast<double>(g.oh) * static_cast<double>(g.ow) *
                          static_cast<double>(g.c) * static_cast<double>(g.kh) *
                          static_cast<double>(g.kw);
  return static_cast<int64_t>(std::min(1e18, products));
}

Array conv2d_forward(const Array& x_in, const Array& w_in, const py::object& bias_in,
                     const py::tuple& stride, const py::tuple& padding, const py::tuple& dilation,
                     int64_t groups) {
  const char* op = "conv2d";
  const bool single = check_float(op, {&x_in, &w_in});
  check_ndim(op, "input", x_in, 4);
  check_ndim(op, "weight", w_in, 4);
  const Conv2d g = geometry(op, x_in.shape(), w_in.shape(), stride, padding, dilation, groups);
  const Array bias = optional_vector(op, "bias", bias_in, x_in, w_in.shape(0));
  const Array x = contiguous(x_in), w = contiguous(w_in);
  const Array y = new_array(x.typenum(), {g.n, g.groups * g.o, g.oh, g.ow});
  const KernelScope scope(work(g));
  with_float(single, [&](auto t) {
    using T = decltype(t);
    conv2d(g, x.data<const T>(), w.data<const T>(), bias.data_or_null<const T>(), y.data<T>());
  });
  return y;
}

Array input_grad(const Array& dy_in, const Array& w_in, const py::tuple& input_hw,
                 const py::tuple& stride, const py::tuple& padding, const py::tuple& dilation,
                 int64_t groups) {
  const char* op = "conv2d_input_grad";
  const bool single = check_float(op, {&dy_in, &w_in});
  check_ndim(op, "the output's gradient", dy_in, 4);
  check_ndim(op, "weight", w_in, 4);
  int64_t channels;
  if (groups < 1 || __builtin_mul_overflow(static_cast<int64_t>(w_in.shape(1)), groups, &channels))
    throw py::value_error(std::string(op) + ": expected groups of at least 1 that fit weight " +
                          shape_string(w_in) + ", got " + std::to_string(groups));
  npy_intp shape[4] = {static_cast<npy_intp>(dy_in.shape(0)), static_cast<npy_intp>(channels), 0,
                       0};
  read_size(op, "input_hw", input_hw, shape + 2);
  const Conv2d g = geometry(op, shape, w_in.shape(), stride, padding, dilation, groups);
  check_output(op, g, dy_in);
  const Array dy = contiguous(dy_in), w = contiguous(w_in);
  const Array dx = new_array(dy.typenum(), 4, shape);
  const KernelScope scope(work(g));
  with_float(single, [&](auto t) {
    using T = decltype(t);
    conv2d_input_grad(g, dy.data<const T>(), w.data<const T>(), dx.data<T>());
  });
  return dx;
}

Array weight_grad(const Array& dy_in, const Array& x_in, const py::tuple& kernel_hw,
                  const py::tuple& stride, const py::tuple& padding, const py::tuple& dilation,
                  int64_t groups) {
  const char* op = "conv2d_weight_grad";
  const bool single = check_float(op, {&dy_in, &x_in});
  check_ndim(op, "the output's gradient", dy_in, 4);
  check_ndim(op, "input", x_in, 4);
  if (groups < 1 || x_in.shape(1) % groups != 0)
    throw py::value_error(std::string(op) + ": expected input channels divisible by groups=" +
                          std::to_string(groups) + ", got input " + shape_string(x_in));
  npy_intp shape[4] = {static_cast<npy_intp>(dy_in.shape(1)),
                       static_cast<npy_intp>(x_in.shape(1) / groups), 0, 0};
  read_size(op, "kernel_hw", kernel_hw, shape + 2);
  const Conv2d g = geometry(op, x_in.shape(), shape, stride, padding, dilation, groups);
  check_output(op, g, dy_in);
  const Array dy = contiguous(dy_in), x = contiguous(x_in);
  const Array dw = new_array(dy.typenum(), 4, shape);
  const KernelScope scope(work(g));
  with_float(single, [&](auto t) {
    using T = decltype(t);
    conv2d_weight_grad(g, dy.data<const T>(), x.data<const T>(), dw.data<T>());
  });
  return dw;
}

}  // namespace

void bind_conv(py::module_& m) {
  m.def("conv2d", &conv2d_forward);
  m.def("conv2d_input_grad", &input_grad);
  m.def("conv2d_weight_grad", &weight_grad);
  m.def("winograd", &winograd_allowed);
  m.def("set_winograd", &allow_winograd);
}

}  // namespace pag
