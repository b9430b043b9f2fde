#include "kernels/index.h"

#include "bindings/common.h"

namespace pag {
namespace {

void check_int64(const char* op, const char* argument, const Array& a) {
  if (dtype_of(a.typenum()) != kI64)
    throw py::type_error(std::string(op) + ": expected int64 " + argument + ", got " +
                         dtype_name(a.typenum()));
}

void check_range(const char* op, const Array& index, int64_t dim, int64_t size) {
  const int64_t* entries = index.data<const int64_t>();
  const int64_t bad = find_out_of_range(entries, index.size(), size);
  if (bad >= 0)
    throw py::index_error(std::string(op) + ": index " + std::to_string(entries[bad]) +
                          " is out of bounds for dimension " + std::to_string(dim) + " with size " +
                          std::to_string(size));
}

// Checks the index's shape and entries against those of the array it points into.
GatherShape gather_shape(const char* op, const Array& index, int64_t dim, int ndim,
                         const npy_intp* array) {
  if (dim < 0 || dim >= ndim)
    throw py::index_error(std::string(op) + ": dimension " + std::to_string(dim) +
                          " of an array with shape " + shape_string(ndim, array));
  bool fits = index.ndim() == ndim;
  GatherShape shape;
  shape.ndim = ndim;
  shape.dim = static_cast<int>(dim);
  for (int d = 0; fits && d < ndim; ++d) {
    shape.index[d] = index.shape(d);
    shape.array[d] = array[d];
    fits = d == dim || index.shape(d) <= array[d];
  }
  if (!fits)
    throw py::value_error(std::string(op) + ": index of shape " + shape_string(index) +
                          " does not fit into shape " + shape_string(ndim, array) +
                          " outside of dimension " + std::to_string(dim));
  check_range(op, index, dim, array[dim]);
  return shape;
}

// out[i, j, ...] = x[..., index[i, j, ...], ...], the index standing in dimension dim.
Array gather_binding(const Array& input, int64_t dim, const Array& entries) {
  if (dtype_of(input.typenum()) < 0)
    throw py::type_error("gather: dtype " + dtype_name(input.typenum()) + " is not supported");
  check_int64("gather", "indices", entries);
  const Array x = contiguous(input), index = contiguous(entries);
  const GatherShape shape = gather_shape("gather", index, dim, x.ndim(), x.shape());
  Array out = new_array(x.typenum(), index.ndim(), index.shape());
  KernelScope scope(out.size());
  gather(static_cast<int>(PyArray_ITEMSIZE(x.array())), x.data(), index.data<const int64_t>(),
         shape, out.data());
  return out;
}

// The adjoint of gather from an array of the given shape.
Array scatter_add_binding(const Array& gradient, int64_t dim, const Array& entries,
                          const py::tuple& shape) {
  const bool single = check_float("scatter_add", {&gradient});
  check_int64("scatter_add", "indices", entries);
  if (shape.size() > kMaxIndexDims) throw py::value_error("scatter_add: too many dimensions");
  npy_intp dims[kMaxIndexDims];
  const int ndim = static_cast<int>(shape.size());
  for (int d = 0; d < ndim; ++d) dims[d] = shape[static_cast<size_t>(d)].cast<npy_intp>();
  const Array g = contiguous(gradient), index = contiguous(entries);
  check_same_shape("scatter_add", "the values", g, "the index", index);
  const GatherShape checked = gather_shape("scatter_add", index, dim, ndim, dims);
  Array out = new_array(g.typenum(), ndim, dims);
  KernelScope scope(g.size() + out.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    scatter_add(g.data<const T>(), index.data<const int64_t>(), checked, out.data<T>());
  });
  return out;
}

// An array (n, ...) of zeros to which row i of g is added at rows[i], in order.
Array index_add_rows_binding(const Array& gradient, const Array& positions, int64_t n) {
  const bool single = check_float("index_add_rows", {&gradient});
  check_int64("index_add_rows", "rows", positions);
  check_ndim("index_add_rows", "rows", positions, 1);
  if (gradient.ndim() < 1 || gradient.shape(0) != positions.size())
    throw py::value_error("index_add_rows: expected values of shape (" +
                          std::to_string(positions.size()) + ", ...), got " +
                          shape_string(gradient));
  if (n < 0) throw py::value_error("index_add_rows: expected n >= 0, got " + std::to_string(n));
  const Array g = contiguous(gradient), rows = contiguous(positions);
  check_range("index_add_rows", rows, 0, n);
  npy_intp dims[kMaxIndexDims];
  dims[0] = n;
  int64_t width = 1;
  for (int d = 1; d < g.ndim(); ++d) width *= dims[d] = g.shape(d);
  Array out = new_array(g.typenum(), g.ndim(), dims);
  KernelScope scope(g.size() + out.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    index_add_rows(g.data<const T>(), rows.data<const int64_t>(), rows.size(), n, width,
                   out.data<T>());
  });
  return out;
}

}  // namespace

void bind_index(py::module_& m) {
  m.def("gather", &gather_binding);
  m.def("scatter_add", &scatter_add_binding);
  m.def("index_add_rows", &index_add_rows_binding);
}

}  // namespace pag
