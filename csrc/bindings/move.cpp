// Arrays put together from others.
#include "kernels/move.h"

#include <algorithm>
#include <vector>

#include "bindings/common.h"

namespace pag {
namespace {

// Elements of a's memory, which has to outlive the view.
Array view_of(const Array& a, char* data, int ndim, const npy_intp* shape,
              const npy_intp* strides) {
  PyArray_Descr* descr = PyArray_DESCR(a.array());
  Py_INCREF(descr);
  PyObject* view =
      PyArray_NewFromDescr(&PyArray_Type, descr, ndim, const_cast<npy_intp*>(shape),
                           const_cast<npy_intp*>(strides), data, NPY_ARRAY_BEHAVED, nullptr);
  if (!view) throw py::error_already_set();
  return py::reinterpret_steal<Array>(view);
}

// The part of `whole` of a shape that begins at `start`.
Array part_of(const Array& whole, const npy_intp* start, const npy_intp* shape) {
  char* data = whole.data<char>();
  for (int d = 0; d < whole.ndim(); ++d) data += start[d] * whole.stride(d);
  return view_of(whole, data, whole.ndim(), shape, PyArray_STRIDES(whole.array()));
}

// The same values, C-contiguous.
Array copy(const Array& x) {
  const Array out = new_array(x.typenum(), x.ndim(), x.shape());
  copy_into(out, x);
  return out;
}

// Arrays of one dtype, which agree in all dimensions but dim, one after the other along it.
Array concatenate(const py::list& list, int64_t dim) {
  std::vector<Array> parts;
  for (const py::handle item : list) {
    if (!PyArray_Check(item.ptr()))
      throw py::type_error(std::string("concatenate: expected arrays, got ") +
                           Py_TYPE(item.ptr())->tp_name);
    parts.push_back(py::reinterpret_borrow<Array>(item));
  }
  if (parts.empty()) throw py::value_error("concatenate: expected at least one array");
  const Array& first = parts.front();
  split_at("concatenate", first, dim);
  npy_intp shape[kMaxDims], start[kMaxDims] = {};
  const int ndim = first.ndim();
  if (ndim > kMaxDims) throw py::value_error("concatenate: too many dimensions");
  std::copy(first.shape(), first.shape() + ndim, shape);
  shape[dim] = 0;
  for (const Array& part : parts) {
    bool fits = part.ndim() == ndim && part.typenum() == first.typenum();
    for (int d = 0; fits && d < ndim; ++d) fits = d == dim || part.shape(d) == first.shape(d);
    if (!fits)
      throw py::value_error("concatenate: " + dtype_name(part.typenum()) + " " +
                            shape_string(part) + " does not fit to " + dtype_name(first.typenum()) +
                            " " + shape_string(first) + " except in dimension " +
                            std::to_string(dim));
    shape[dim] += part.shape(static_cast<int>(dim));
  }
  const Array out = new_array(first.typenum(), ndim, shape);
  for (const Array& part : parts) {
    copy_into(part_of(out, start, part.shape()), part);
    start[dim] += part.shape(static_cast<int>(dim));
  }
  return out;
}

// x with borders of before[d] and after[d] elements of one value, in x's dtype.
Array pad(const Array& x, const py::tuple& before, const py::tuple& after,
          const py::object& value) {
  const int ndim = x.ndim();
  if (ndim > kMaxDims || before.size() != static_cast<size_t>(ndim) ||
      after.size() != before.size())
    throw py::value_error("pad: expected borders of " + std::to_string(ndim) + " dimensions");
  npy_intp shape[kMaxDims], start[kMaxDims] = {}, size[kMaxDims], inner[kMaxDims];
  for (int d = 0; d < ndim; ++d) {
    inner[d] = before[static_cast<size_t>(d)].cast<npy_intp>();
    const npy_intp behind = after[static_cast<size_t>(d)].cast<npy_intp>();
    if (inner[d] < 0 || behind < 0)
      throw py::value_error("pad: expected borders of at least 0, got " +
                            std::string(py::str(before)) + " and " + std::string(py::str(after)));
    if (__builtin_add_overflow(inner[d], behind, &shape[d]) ||
        __builtin_add_overflow(shape[d], x.shape(d), &shape[d]))
      throw py::value_error("pad: the result is too large");
    size[d] = shape[d];
  }
  const Array out = new_array(x.typenum(), ndim, shape);
  const Array number = new_array(x.typenum(), {});
  if (PyArray_SETITEM(number.array(), number.data<char>(), value.ptr()) < 0)
    throw py::error_already_set();
  // The borders of dimension d, inside those of the dimensions before it.
  const auto fill = [&](int d, npy_intp first, npy_intp count) {
    start[d] = first;
    size[d] = count;
    const npy_intp still[kMaxDims] = {};
    copy_into(part_of(out, start, size), view_of(number, number.data<char>(), ndim, size, still));
  };
  for (int d = 0; d < ndim; ++d) {
    fill(d, 0, inner[d]);
    fill(d, inner[d] + x.shape(d), shape[d] - inner[d] - x.shape(d));
    start[d] = inner[d];
    size[d] = x.shape(d);
  }
  copy_into(part_of(out, start, size), x);
  return out;
}

}  // namespace

void bind_move(py::module_& m) {
  m.def("copy", &copy);
  m.def("concatenate", &concatenate);
  m.def("pad", &pad);
}

}  // namespace pag
