#include "kernels/index.h"

#include "bindings/common.h"

namespace pag {
namespace {

void check_int64(const char* op, const char* argument, const Array& a) {
  if (dtype_of(a.typenum()) != kI64)
    throw py::type_error(std::string(op) + ": expected int64 " + argument + ", got " +
                         dtype_name(a.typenum()));
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
  check_range(op, index.data<const int64_t>(), index.size(), dim, array[dim]);
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

// A copy of x with the values written at the index's positions along dim.
Array scatter_binding(const Array& input, const Array& source, int64_t dim, const Array& entries) {
  const int dtype = dtype_of(input.typenum());
  if (dtype < 0 || dtype_of(source.typenum()) != dtype)
    throw py::type_error("scatter: expected one dtype that is supported, got " +
                         dtype_name(input.typenum()) + " and " + dtype_name(source.typenum()));
  check_int64("scatter", "indices", entries);
  const Array values = contiguous(source), index = contiguous(entries);
  check_same_shape("scatter", "the values", values, "the index", index);
  const GatherShape shape = gather_shape("scatter", index, dim, input.ndim(), input.shape());
  Array out = new_array(input.typenum(), input.ndim(), input.shape());
  copy_into(out, input);
  KernelScope scope(out.size());
  scatter(static_cast<int>(PyArray_ITEMSIZE(out.array())), values.data(),
          index.data<const int64_t>(), shape, out.data());
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

// x at the positions along dim, negative ones counted from the end: the index's dimensions stand in
// the place of dim. The caller puts its name before the error.
Array index_select_binding(const Array& input, int64_t dim, const Array& entries) {
  if (dtype_of(input.typenum()) < 0)
    throw py::type_error("dtype " + dtype_name(input.typenum()) + " is not supported");
  check_int64("index_select", "indices", entries);
  const Split s = split_at("index_select", input, dim);
  const Array x = contiguous(input);
  const Array index = contiguous(entries);
  std::vector<int64_t> own;
  const int64_t* rows = Rows{{s.n}, {dim}, index.size()}.of(index.data<const int64_t>(), &own);
  npy_intp dims[2 * kMaxIndexDims];
  int ndim = 0;
  if (x.ndim() + index.ndim() > kMaxIndexDims) throw py::value_error("too many dimensions");
  for (int d = 0; d < dim; ++d) dims[ndim++] = x.shape(d);
  for (int d = 0; d < index.ndim(); ++d) dims[ndim++] = index.shape(d);
  for (int d = static_cast<int>(dim) + 1; d < x.ndim(); ++d) dims[ndim++] = x.shape(d);
  Array out = new_array(x.typenum(), ndim, dims);
  const KernelScope scope(out.size());
  index_select(static_cast<int>(PyArray_ITEMSIZE(x.array())), x.data(), s.outer, s.n, s.inner, rows,
               index.size(), out.data());
  return out;
}

// The rows of a table (rows, width) at the positions.
Array embedding_binding(const Array& weight, const Array& entries) {
  if (dtype_of(weight.typenum()) < 0)
    throw py::type_error("embedding: dtype " + dtype_name(weight.typenum()) + " is not supported");
  check_int64("embedding", "row numbers", entries);
  check_ndim("embedding", "a table", weight, 2);
  const Array table = contiguous(weight), index = contiguous(entries);
  const int64_t* const rows = index.data<const int64_t>();
  check_table_rows(rows, index.size(), table.shape(0));
  if (index.ndim() >= kMaxIndexDims) throw py::value_error("embedding: too many dimensions");
  npy_intp dims[kMaxIndexDims];
  for (int d = 0; d < index.ndim(); ++d) dims[d] = index.shape(d);
  dims[index.ndim()] = table.shape(1);
  Array out = new_array(table.typenum(), index.ndim() + 1, dims);
  const KernelScope scope(out.size());
  index_select(static_cast<int>(PyArray_ITEMSIZE(table.array())), table.data(), 1, table.shape(0),
               table.shape(1), rows, index.size(), out.data());
  return out;
}

// The adjoint: zeros, with n elements along dim, to which the slices of g are added at rows[i], in
// order.
Array index_add_binding(const Array& gradient, int64_t dim, const Array& positions, int64_t n) {
  const char* op = "index_add";
  const bool single = check_float(op, {&gradient});
  check_int64(op, "rows", positions);
  check_ndim(op, "rows", positions, 1);
  const Split s = split_at(op, gradient, dim);
  if (s.n != positions.size())
    throw py::value_error(std::string(op) + ": expected " + std::to_string(positions.size()) +
                          " slices along dimension " + std::to_string(dim) + ", got shape " +
                          shape_string(gradient));
  if (n < 0) throw py::value_error(std::string(op) + ": expected n >= 0, got " + std::to_string(n));
  const Array g = contiguous(gradient), rows = contiguous(positions);
  check_range(op, rows.data<const int64_t>(), rows.size(), dim, n);
  npy_intp dims[kMaxIndexDims];
  for (int d = 0; d < g.ndim(); ++d) dims[d] = d == dim ? n : g.shape(d);
  Array out = new_array(g.typenum(), g.ndim(), dims);
  const KernelScope scope(g.size() + out.size());
  with_float(single, [&](auto t) {
    using T = decltype(t);
    index_add(g.data<const T>(), rows.data<const int64_t>(), rows.size(), s.outer, n, s.inner,
              out.data<T>());
  });
  return out;
}

}  // namespace

void bind_index(py::module_& m) {
  m.def("gather", &gather_binding);
  m.def("scatter", &scatter_binding);
  m.def("scatter_add", &scatter_add_binding);
  m.def("embedding", &embedding_binding);
  m.def("index_select", &index_select_binding);
  m.def("index_add", &index_add_binding);
}

}  // namespace pag
