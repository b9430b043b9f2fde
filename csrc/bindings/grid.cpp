#include "kernels/grid.h"

#include <algorithm>

#include "bindings/common.h"

namespace pag {
namespace {

// Which images are read, and how: (mode, padding, corners, orders of the derivative along x, y, z).
struct How {
  std::string mode, padding;
  bool corners;
  py::tuple orders;
};

int choice(const char* what, const std::string& name, std::initializer_list<const char*> names) {
  int i = 0;
  for (const char* known : names) {
    if (name == known) return i;
    ++i;
  }
  throw py::value_error("grid_sample: unknown " + std::string(what) + " " + name);
}

// Of a grid (N, ..., dims) and sizes, from an array's dimension 2 on.
GridShape shape_of(const Array& grid, int64_t images, int64_t channels, int ndim,
                   const npy_intp* sizes, const How& how) {
  const int dims = grid.ndim() - 2;
  if (dims < 2 || dims > 3 || ndim != dims || grid.shape(dims + 1) != dims ||
      grid.shape(0) != images)
    throw py::value_error("grid_sample: a grid " + shape_string(grid) + " for " +
                          std::to_string(images) + " images of " + std::to_string(ndim) +
                          " dimensions");
  GridShape s = {images, channels, 1, {}};
  for (int d = 1; d <= dims; ++d) s.places *= grid.shape(d);
  GridGeometry& g = s.geometry;
  g.dims = dims;
  g.mode = static_cast<GridMode>(choice("mode", how.mode, {"nearest", "bilinear", "bicubic"}));
  g.padding =
      static_cast<GridPadding>(choice("padding", how.padding, {"zeros", "border", "reflection"}));
  g.corners = how.corners;
  if (g.mode == kBicubic && dims == 3)
    throw py::value_error("grid_sample: bicubic is for images, not volumes");
  if (how.orders.size() != static_cast<size_t>(dims))
    throw py::value_error("grid_sample: expected an order for each dimension");
  int64_t elements = 1;
  g.sizes[2] = 1;
  for (int d = 0; d < dims; ++d) {
    g.sizes[d] = sizes[dims - 1 - d];
    if (g.sizes[d] < 1 || g.sizes[d] >= kPairLimit || (elements *= g.sizes[d]) >= kPairLimit)
      throw py::value_error("grid_sample: expected images of 1 to 2^31 - 1 elements, got " +
                            shape_string(dims, sizes));
    const int64_t order = how.orders[static_cast<size_t>(d)].cast<int64_t>();
    g.orders[d] = static_cast<int>(std::min<int64_t>(std::max<int64_t>(order, 0), 8));
  }
  return s;
}

// A shape (N, C, ...).
struct Shape {
  Shape(int64_t n, int64_t c, int dims, const npy_intp* sizes) : ndim(dims + 2), of{n, c} {
    std::copy(sizes, sizes + dims, of + 2);
  }
  int ndim;
  npy_intp of[5];
};

// Whether g is (N, C, ...) in the grid's sizes.
void check_gradient(const char* op, const Array& g, const Array& grid, const GridShape& s) {
  const Shape fits(s.images, s.channels, s.geometry.dims, grid.shape() + 1);
  if (g.ndim() != fits.ndim || !std::equal(fits.of, fits.of + fits.ndim, g.shape()))
    throw py::value_error(std::string(op) + ": a gradient " + shape_string(g) + " for a grid " +
                          shape_string(grid));
}

void check_image(const char* op, const Array& x) {
  if (x.ndim() != 4 && x.ndim() != 5)
    throw py::value_error(std::string(op) + ": expected (N, C, H, W) or (N, C, D, H, W), got " +
                          shape_string(x));
}

int64_t work_of(const GridShape& s) {
  return s.images * s.places * s.geometry.taps() * (s.channels + 4);
}

// x (N, C, ...), grid (N, ..., dims) -> (N, C, ...) in the grid's sizes.
Array grid_sample_binding(const Array& input, const Array& grid_in, const std::string& mode,
                          const std::string& padding, bool corners, const py::tuple& orders) {
  const char* op = "grid_sample";
  const bool single = check_float(op, {&input, &grid_in});
  check_image(op, input);
  const GridShape s = shape_of(grid_in, input.shape(0), input.shape(1), input.ndim() - 2,
                               input.shape() + 2, {mode, padding, corners, orders});
  const Array x = contiguous(input), grid = contiguous(grid_in);
  const Shape shape(s.images, s.channels, s.geometry.dims, grid.shape() + 1);
  Array out = new_array(x.typenum(), shape.ndim, shape.of);
  KernelScope scope(work_of(s));
  with_float(single, [&](auto t) {
    using T = decltype(t);
    if (out.size()) grid_sample(x.data<const T>(), grid.data<const T>(), s, out.data<T>());
  });
  return out;
}

// g (N, C, ...) in the grid's sizes -> (N, C, *sizes).
Array grid_sample_input_grad_binding(const Array& gradient, const Array& grid_in,
                                     const py::tuple& sizes, const std::string& mode,
                                     const std::string& padding, bool corners,
                                     const py::tuple& orders) {
  const char* op = "grid_sample_input_grad";
  const bool single = check_float(op, {&gradient, &grid_in});
  check_image(op, gradient);
  npy_intp hw[3] = {};
  if (sizes.size() > 3) throw py::value_error("grid_sample_input_grad: too many sizes");
  for (size_t d = 0; d < sizes.size(); ++d) hw[d] = sizes[d].cast<npy_intp>();
  const GridShape s =
      shape_of(grid_in, gradient.shape(0), gradient.shape(1), static_cast<int>(sizes.size()), hw,
               {mode, padding, corners, orders});
  check_gradient(op, gradient, grid_in, s);
  const Array g = contiguous(gradient), grid = contiguous(grid_in);
  const Shape shape(s.images, s.channels, s.geometry.dims, hw);
  Array out = new_array(g.typenum(), shape.ndim, shape.of);
  KernelScope scope(work_of(s) + out.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    if (out.size())
      grid_sample_input_grad(g.data<const T>(), grid.data<const T>(), s, out.data<T>());
  });
  return out;
}

// g (N, C, ...) in the grid's sizes, x (N, C, ...) -> the shape of the grid.
Array grid_sample_grid_grad_binding(const Array& gradient, const Array& input, const Array& grid_in,
                                    const std::string& mode, const std::string& padding,
                                    bool corners, const py::tuple& orders) {
  const char* op = "grid_sample_grid_grad";
  const bool single = check_float(op, {&gradient, &input, &grid_in});
  check_image(op, input);
  const GridShape s = shape_of(grid_in, input.shape(0), input.shape(1), input.ndim() - 2,
                               input.shape() + 2, {mode, padding, corners, orders});
  check_gradient(op, gradient, grid_in, s);
  const Array g = contiguous(gradient), x = contiguous(input), grid = contiguous(grid_in);
  Array out = new_array(g.typenum(), grid.ndim(), grid.shape());
  KernelScope scope(work_of(s));
  with_float(single, [&](auto t) {
    using T = decltype(t);
    if (out.size())
      grid_sample_grid_grad(g.data<const T>(), x.data<const T>(), grid.data<const T>(), s,
                            out.data<T>());
  });
  return out;
}

}  // namespace

void bind_grid(py::module_& m) {
  m.def("grid_sample", &grid_sample_binding);
  m.def("grid_sample_input_grad", &grid_sample_input_grad_binding);
  m.def("grid_sample_grid_grad", &grid_sample_grid_grad_binding);
}

}  // namespace pag
