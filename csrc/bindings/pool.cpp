#include "kernels/pool.h"

#include "bindings/common.h"

namespace pag {
namespace {

PoolShape read_windows(const char* op, const py::tuple& kernel, const py::tuple& stride,
                       const py::tuple& padding, const py::tuple& dilation) {
  PoolShape s{};
  read_pair(op, "kernel", kernel, 1, s.kernel);
  read_pair(op, "stride", stride, 1, s.stride);
  read_pair(op, "padding", padding, 0, s.padding);
  read_pair(op, "dilation", dilation, 1, s.dilation);
  return s;
}

// Sets out_height and out_width; raises ValueError where there is no window.
void place_windows(const char* op, const Array& input, PoolShape* s, bool ceil) {
  int64_t* counts[2] = {&s->out_height, &s->out_width};
  const int64_t sizes[2] = {s->height, s->width};
  for (int d = 0; d < 2; ++d) {
    *counts[d] =
        pooled_size(sizes[d], s->kernel[d], s->stride[d], s->padding[d], s->dilation[d], ceil);
    if (*counts[d] < 1)
      throw py::value_error(std::string(op) + ": a kernel of " + pair_string(s->kernel) +
                            " (dilation " + pair_string(s->dilation) +
                            ") does not fit into input " + shape_string(input) + " with padding " +
                            pair_string(s->padding));
  }
}

// run(T{}, Mask{}) with the types of the arrays.
template <class Run>
void with_types(bool single, bool small_mask, Run&& run) {
  with_float(single, [&](auto t) { small_mask ? run(t, uint8_t{}) : run(t, int32_t{}); });
}

// ---- max pooling --------------------------------------------------------------------------------

constexpr int64_t kLongestKernel = 1 << 20;

// x (N, C, H, W) -> the largest values of the windows and the mask of winning taps.
py::tuple max_pool2d_binding(const Array& input, const py::tuple& kernel, const py::tuple& stride,
                             const py::tuple& padding, const py::tuple& dilation, bool ceil) {
  const char* op = "max_pool2d";
  const bool single = check_float(op, {&input});
  check_ndim(op, "input", input, 4);
  PoolShape s = read_windows(op, kernel, stride, padding, dilation);
  for (int d = 0; d < 2; ++d) {
    if (2 * s.padding[d] > s.kernel[d])
      throw py::value_error(std::string(op) + ": padding " + std::string(py::str(padding)) +
                            " is more than half of the kernel " + std::string(py::str(kernel)));
    if (s.kernel[d] > kLongestKernel || s.kernel[0] * s.kernel[1] > INT32_MAX)
      throw py::value_error(std::string(op) + ": kernel " + std::string(py::str(kernel)) +
                            " is too large");
  }
  s.height = input.shape(2), s.width = input.shape(3);
  if (s.height == 0 || s.width == 0)
    throw py::value_error(std::string(op) + ": nothing to compare in input " + shape_string(input));
  place_windows(op, input, &s, ceil);
  const Array x = contiguous(input);
  const int64_t planes = x.shape(0) * x.shape(1);
  const bool small_mask = s.kernel[0] * s.kernel[1] <= 256;
  Array out = new_array(x.typenum(), {x.shape(0), x.shape(1), s.out_height, s.out_width});
  Array mask = new_array(small_mask ? NPY_UINT8 : NPY_INT32, 4, out.shape());
  {
    KernelScope scope(x.size());
    with_types(single, small_mask, [&](auto t, auto m) {
      using T = decltype(t);
      using Mask = decltype(m);
      max_pool2d(x.data<const T>(), planes, s, out.data<T>(), mask.data<Mask>());
    });
  }
  return py::make_tuple(out, mask);
}

struct Winners {
  PoolShape shape;
  Array mask;
  bool small;
  int64_t planes;
};

// mask (N, C, outputs), uint8 or int32. shape.height and width are left to the caller.
Winners read_winners(const char* op, const Array& mask, const py::tuple& kernel,
                     const py::tuple& stride, const py::tuple& padding, const py::tuple& dilation) {
  Winners w;
  w.shape = read_windows(op, kernel, stride, padding, dilation);
  check_ndim(op, "a mask", mask, 4);
  w.small = mask.typenum() == NPY_UINT8;
  if (!w.small && dtype_of(mask.typenum()) != kI32)
    throw py::type_error(std::string(op) + ": expected a uint8 or int32 mask, got " +
                         dtype_name(mask.typenum()));
  w.mask = contiguous(mask);
  w.planes = mask.shape(0) * mask.shape(1);
  w.shape.out_height = mask.shape(2), w.shape.out_width = mask.shape(3);
  return w;
}

void read_plane(const char* op, const py::tuple& hw, PoolShape* s) {
  int64_t size[2];
  read_pair(op, "the input's size", hw, 0, size);
  s->height = size[0], s->width = size[1];
}

// g (N, C, outputs) -> (N, C, H, W), added at the winners.
Array max_pool2d_scatter_binding(const Array& gradient, const Array& mask, const py::tuple& hw,
                                 const py::tuple& kernel, const py::tuple& stride,
                                 const py::tuple& padding, const py::tuple& dilation) {
  const char* op = "max_pool2d_scatter";
  const bool single = check_float(op, {&gradient});
  Winners w = read_winners(op, mask, kernel, stride, padding, dilation);
  read_plane(op, hw, &w.shape);
  check_same_shape(op, "the gradient", gradient, "the mask", mask);
  const Array g = contiguous(gradient);
  Array out = new_array(g.typenum(), {g.shape(0), g.shape(1), w.shape.height, w.shape.width});
  KernelScope scope(out.size() + g.size());
  with_types(single, w.small, [&](auto t, auto m) {
    using T = decltype(t);
    using Mask = decltype(m);
    max_pool2d_scatter(g.data<const T>(), w.mask.data<const Mask>(), w.planes, w.shape,
                       out.data<T>());
  });
  return out;
}

// x (N, C, H, W) -> its values at the winners.
Array max_pool2d_gather_binding(const Array& input, const Array& mask, const py::tuple& kernel,
                                const py::tuple& stride, const py::tuple& padding,
                                const py::tuple& dilation) {
  const char* op = "max_pool2d_gather";
  const bool single = check_float(op, {&input});
  check_ndim(op, "input", input, 4);
  Winners w = read_winners(op, mask, kernel, stride, padding, dilation);
  if (input.shape(0) != mask.shape(0) || input.shape(1) != mask.shape(1))
    throw py::value_error(std::string(op) + ": the mask's shape " + shape_string(mask) +
                          " does not belong to input " + shape_string(input));
  w.shape.height = input.shape(2), w.shape.width = input.shape(3);
  const Array x = contiguous(input);
  Array out = new_array(x.typenum(), 4, w.mask.shape());
  KernelScope scope(out.size());
  with_types(single, w.small, [&](auto t, auto m) {
    using T = decltype(t);
    using Mask = decltype(m);
    max_pool2d_gather(x.data<const T>(), w.mask.data<const Mask>(), w.planes, w.shape,
                      out.data<T>());
  });
  return out;
}

// The winners' places h * W + w, int64; -1 where the mask holds no tap of the plane.
Array max_pool2d_indices_binding(const Array& mask, const py::tuple& hw, const py::tuple& kernel,
                                 const py::tuple& stride, const py::tuple& padding,
                                 const py::tuple& dilation) {
  Winners w = read_winners("max_pool2d_indices", mask, kernel, stride, padding, dilation);
  read_plane("max_pool2d_indices", hw, &w.shape);
  Array out = new_array(NPY_INT64, 4, w.mask.shape());
  KernelScope scope(out.size());
  if (w.small)
    max_pool2d_indices(w.mask.data<const uint8_t>(), w.planes, w.shape, out.data<int64_t>());
  else
    max_pool2d_indices(w.mask.data<const int32_t>(), w.planes, w.shape, out.data<int64_t>());
  return out;
}

// ---- windows of their own size ------------------------------------------------------------------

// (begin, end) of the windows along one dimension, and for averages their factors, as Python gives
// them.
struct WindowArrays {
  WindowArrays(const char* op, const char* name, const py::tuple& arrays, int64_t size,
               bool factors) {
    const auto refuse = [&](const std::string& what) {
      throw py::value_error(std::string(op) + ": " + name + ": " + what);
    };
    const size_t count = factors ? 3 : 2;
    if (arrays.size() != count)
      refuse(factors ? "expected a tuple (begin, end, factor)" : "expected a tuple (begin, end)");
    for (size_t i = 0; i < count; ++i) {
      if (!PyArray_Check(arrays[i].ptr())) refuse("expected arrays");
      const Array a = py::reinterpret_borrow<Array>(arrays[i]);
      if (a.typenum() != NPY_DOUBLE && dtype_of(a.typenum()) != kI64)
        throw py::type_error(std::string(op) + ": " + name +
                             ": expected int64, int64 and float64 arrays, got " +
                             dtype_name(a.typenum()));
      keep[i] = cast(a, i < 2 ? NPY_INT64 : NPY_DOUBLE);
      if (keep[i].ndim() != 1 || keep[i].size() != keep[0].size())
        refuse("expected one-dimensional arrays of one length");
    }
    windows = {keep[0].size(),
               keep[0].data<const int64_t>(),
               keep[1].data<const int64_t>(),
               keep[2].data_or_null<const double>(),
               factors,
               0,
               0,
               0};
    for (int64_t i = 0; i < windows.count; ++i) {
      const int64_t begin = windows.begin[i], end = windows.end[i];
      if (begin < 0 || begin > end || end > size)
        refuse("window [" + std::to_string(begin) + ", " + std::to_string(end) +
               ") does not lie in size " + std::to_string(size));
      if (factors)
        windows.pairs &=
            begin == 2 * i && end == 2 * i + 2 && windows.factor[i] == windows.factor[0];
      else if (begin == end)
        refuse("nothing to compare in window " + std::to_string(i));
      else if (i && begin < windows.begin[i - 1])
        refuse("windows that begin at " + std::to_string(windows.begin[i - 1]) + " and " +
               std::to_string(begin) + " are out of order");
    }
  }
  Array keep[3];
  PoolWindows windows;
};

// x (N, C, H, W) -> (N, C, rows, columns): the largest values of the windows, and their places
// h * W + w, int64.
py::tuple max_pool2d_windows_binding(const Array& input, const py::tuple& rows,
                                     const py::tuple& columns) {
  const char* op = "max_pool2d_windows";
  const bool single = check_float(op, {&input});
  check_ndim(op, "input", input, 4);
  const int64_t height = input.shape(2), width = input.shape(3);
  if (height >= kPairLimit || width >= kPairLimit || height * width >= kPairLimit)
    throw py::value_error(std::string(op) + ": input " + shape_string(input) +
                          " has planes of 2^31 values or more");
  const Array x = contiguous(input);
  const WindowArrays r(op, "rows", rows, height, false), c(op, "columns", columns, width, false);
  Array out = new_array(x.typenum(), {x.shape(0), x.shape(1), r.windows.count, c.windows.count});
  Array index = new_array(NPY_INT64, 4, out.shape());
  const int64_t planes = x.shape(0) * x.shape(1);
  {
    KernelScope scope(x.size());
    with_float(single, [&](auto t) {
      using T = decltype(t);
      max_pool2d_windows(x.data<const T>(), planes, height, width, r.windows, c.windows,
                         out.data<T>(), index.data<int64_t>());
    });
  }
  return py::make_tuple(out, index);
}

// x (N, C, H, W) -> (N, C, rows, columns): sums over the windows times their factors.
Array avg_pool2d_binding(const Array& input, const py::tuple& rows, const py::tuple& columns) {
  const bool single = check_float("avg_pool2d", {&input});
  check_ndim("avg_pool2d", "input", input, 4);
  const Array x = contiguous(input);
  const WindowArrays r("avg_pool2d", "rows", rows, x.shape(2), true);
  const WindowArrays c("avg_pool2d", "columns", columns, x.shape(3), true);
  Array out = new_array(x.typenum(), {x.shape(0), x.shape(1), r.windows.count, c.windows.count});
  const int64_t planes = x.shape(0) * x.shape(1);
  KernelScope scope(x.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    avg_pool2d(x.data<const T>(), planes, x.shape(2), x.shape(3), r.windows, c.windows,
               out.data<T>());
  });
  return out;
}

// g (N, C, rows, columns) -> (N, C, H, W).
Array avg_pool2d_grad_binding(const Array& gradient, const py::tuple& rows,
                              const py::tuple& columns, const py::tuple& hw) {
  const char* op = "avg_pool2d_grad";
  const bool single = check_float(op, {&gradient});
  check_ndim(op, "a gradient", gradient, 4);
  int64_t size[2];
  read_pair(op, "the input's size", hw, 0, size);
  const WindowArrays r(op, "rows", rows, size[0], true), c(op, "columns", columns, size[1], true);
  if (gradient.shape(2) != r.windows.count || gradient.shape(3) != c.windows.count)
    throw py::value_error(std::string(op) + ": a gradient of shape " + shape_string(gradient) +
                          " for " + std::to_string(r.windows.count) + " by " +
                          std::to_string(c.windows.count) + " windows");
  const Array g = contiguous(gradient);
  Array out = new_array(g.typenum(), {g.shape(0), g.shape(1), size[0], size[1]});
  const int64_t planes = g.shape(0) * g.shape(1);
  KernelScope scope(out.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    avg_pool2d_grad(g.data<const T>(), planes, size[0], size[1], r.windows, c.windows,
                    out.data<T>());
  });
  return out;
}

}  // namespace

void bind_pool(py::module_& m) {
  m.def("max_pool2d", &max_pool2d_binding);
  m.def("max_pool2d_scatter", &max_pool2d_scatter_binding);
  m.def("max_pool2d_gather", &max_pool2d_gather_binding);
  m.def("max_pool2d_indices", &max_pool2d_indices_binding);
  m.def("max_pool2d_windows", &max_pool2d_windows_binding);
  m.def("avg_pool2d", &avg_pool2d_binding);
  m.def("avg_pool2d_grad", &avg_pool2d_grad_binding);
}

}  // namespace pag
