// Views that NumPy makes slowly.
#include "bindings/common.h"

namespace pag {
namespace {

// x broadcast to `shape`, as a read-only view with zero strides.
Array expand(const Array& x, const py::tuple& shape) {
  const int ndim = static_cast<int>(shape.size()), shift = ndim - x.ndim();
  npy_intp dims[NPY_MAXDIMS_LEGACY_ITERS * 2], strides[NPY_MAXDIMS_LEGACY_ITERS * 2];
  bool fits = shift >= 0 && ndim <= NPY_MAXDIMS_LEGACY_ITERS;
  for (int d = 0; d < ndim && fits; ++d) {
    dims[d] = shape[static_cast<size_t>(d)].cast<npy_intp>();
    const bool same = d >= shift && x.shape(d - shift) == dims[d];
    fits = dims[d] >= 0 && (d < shift || same || x.shape(d - shift) == 1);
    strides[d] = same ? x.stride(d - shift) : 0;
  }
  if (!fits)
    throw py::value_error("expand: shape " + shape_string(x) + " does not broadcast to " +
                          std::string(py::str(shape)));
  PyArray_Descr* descr = PyArray_DESCR(x.array());
  Py_INCREF(descr);
  PyObject* view = PyArray_NewFromDescr(&PyArray_Type, descr, ndim, dims, strides, x.data(),
                                        PyArray_FLAGS(x.array()) & NPY_ARRAY_ALIGNED, nullptr);
  if (!view) throw py::error_already_set();
  const Array result = py::reinterpret_steal<Array>(view);
  if (PyArray_SetBaseObject(result.array(), py::object(x).release().ptr()) < 0)
    throw py::error_already_set();
  return result;
}

}  // namespace

void bind_view(py::module_& m) { m.def("expand", &expand); }

}  // namespace pag
