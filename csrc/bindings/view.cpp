// What views need in every call, and what NumPy or Python do slowly.
#include "bindings/common.h"

#include <structmember.h>

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

// ---- shapes -------------------------------------------------------------------------------------

constexpr Py_ssize_t kMostSizes = 64;  // as many dimensions as NumPy knows

// Reads plain integers, at most one of them -1; its place, -1 without one, -2 for anything else.
Py_ssize_t read_sizes(PyObject* sequence, npy_intp* sizes) {
  Py_ssize_t unknown = -1;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(sequence);
  for (Py_ssize_t d = 0; d < n; ++d) {
    PyObject* item = PySequence_Fast_GET_ITEM(sequence, d);
    if (!PyLong_CheckExact(item)) return -2;
    sizes[d] = PyLong_AsSsize_t(item);
    if (sizes[d] == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      return -2;
    }
    if (sizes[d] < -1 || (sizes[d] == -1 && unknown >= 0)) return -2;
    if (sizes[d] == -1) unknown = d;
  }
  return unknown;
}

bool product(const npy_intp* sizes, Py_ssize_t n, Py_ssize_t without, npy_intp* result) {
  *result = 1;
  for (Py_ssize_t d = 0; d < n; ++d)
    if (d != without && __builtin_mul_overflow(*result, sizes[d], result)) return false;
  return true;
}

// resolve_shape(old, sizes): the sizes as a tuple, a -1 replaced by what makes the products agree;
// sizes may be a tuple around one such sequence. None for what is no such thing, or does not fit:
// Python then finds out more, and raises what there is to raise.
PyObject* resolve_shape(PyObject*, PyObject* const* inputs, Py_ssize_t count) {
  npy_intp old[kMostSizes], sizes[kMostSizes], elements, known;
  if (count != 2 || !PyTuple_Check(inputs[0]) || !PyTuple_Check(inputs[1])) Py_RETURN_NONE;
  PyObject* given = inputs[1];
  if (PyTuple_GET_SIZE(given) == 1) {
    PyObject* only = PyTuple_GET_ITEM(given, 0);
    if (PyTuple_Check(only) || PyList_Check(only)) given = only;
  }
  const Py_ssize_t old_n = PyTuple_GET_SIZE(inputs[0]), n = PySequence_Fast_GET_SIZE(given);
  if (old_n > kMostSizes || n > kMostSizes || read_sizes(inputs[0], old) != -1) Py_RETURN_NONE;
  const Py_ssize_t unknown = read_sizes(given, sizes);
  if (unknown == -2 || !product(old, old_n, -1, &elements) || !product(sizes, n, unknown, &known))
    Py_RETURN_NONE;
  if (unknown < 0) {
    if (known != elements) Py_RETURN_NONE;
    return PySequence_Tuple(given);
  }
  if (known == 0 || elements % known) Py_RETURN_NONE;
  PyObject* result = PySequence_Tuple(given);
  PyObject* size = result ? PyLong_FromSsize_t(elements / known) : nullptr;
  if (!size) {
    Py_XDECREF(result);
    return nullptr;
  }
  if (result == given) {  // somebody else's
    PyObject* own = PyTuple_New(n);
    for (Py_ssize_t d = 0; own && d < n; ++d) {
      PyObject* item = PyTuple_GET_ITEM(result, d);
      Py_INCREF(item);
      PyTuple_SET_ITEM(own, d, item);
    }
    Py_DECREF(result);
    result = own;
    if (!result) {
      Py_DECREF(size);
      return nullptr;
    }
  }
  Py_DECREF(PyTuple_GET_ITEM(result, unknown));
  PyTuple_SET_ITEM(result, unknown, size);
  return result;
}

// ---- tensors that share memory ------------------------------------------------------------------

// The slots of Tensor: read and set where they lie, as an unset one would cost an exception.
struct Slot {
  PyTypeObject* owner = nullptr;
  Py_ssize_t offset = 0;

  bool find(PyTypeObject* type, const char* name) {
    PyObject* descriptor = PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), name);
    if (!descriptor) return false;
    const bool is_slot = Py_TYPE(descriptor) == &PyMemberDescr_Type;
    if (is_slot) {
      const auto* member = reinterpret_cast<PyMemberDescrObject*>(descriptor);
      owner = PyDescr_TYPE(member);
      offset = member->d_member->offset;
    }
    Py_DECREF(descriptor);
    if (!is_slot)
      PyErr_Format(PyExc_TypeError, "link_view: %s has no slot %s", type->tp_name, name);
    return is_slot;
  }
  PyObject*& of(PyObject* o) const {
    return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(o) + offset);
  }
};

bool is_gone(PyObject* reference) {
#if PY_VERSION_HEX >= 0x030D0000
  PyObject* found;
  const bool gone = PyWeakref_GetRef(reference, &found) == 0;
  Py_XDECREF(found);
  return gone;
#else
  return PyWeakref_GET_OBJECT(reference) == Py_None;
#endif
}

// Drops the references to what is gone.
int prune(PyObject* references) {
  Py_ssize_t kept = 0;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(references); ++i) {
    PyObject* reference = PyList_GET_ITEM(references, i);
    if (is_gone(reference)) continue;
    PyList_SET_ITEM(references, i, PyList_GET_ITEM(references, kept));
    PyList_SET_ITEM(references, kept++, reference);
  }
  return PyList_SetSlice(references, kept, PyList_GET_SIZE(references), nullptr);
}

// link_view(view, source): view._base is the tensor whose memory both share, and its _views, weak
// references, get one more.
PyObject* link_view(PyObject*, PyObject* const* inputs, Py_ssize_t count) {
  static Slot base, views;
  if (!base.owner && count == 2) {
    Slot found;
    if (!views.find(Py_TYPE(inputs[0]), "_views") || !found.find(Py_TYPE(inputs[0]), "_base"))
      return nullptr;
    base = found;
  }
  if (count != 2 || !PyObject_TypeCheck(inputs[0], base.owner) ||
      !PyObject_TypeCheck(inputs[1], base.owner)) {
    PyErr_SetString(PyExc_TypeError, "link_view: expected two tensors");
    return nullptr;
  }
  PyObject* view = inputs[0];
  PyObject* whole = base.of(inputs[1]) ? base.of(inputs[1]) : inputs[1];
  Py_INCREF(whole);
  Py_XSETREF(base.of(view), whole);
  PyObject*& list = views.of(whole);
  if (!list && !(list = PyList_New(0))) return nullptr;
  if (!PyList_CheckExact(list)) {
    PyErr_SetString(PyExc_TypeError, "link_view: _views is no list");
    return nullptr;
  }
  PyObject* reference = PyWeakref_NewRef(view, nullptr);
  if (!reference) return nullptr;
  const int failed = PyList_Append(list, reference);
  Py_DECREF(reference);
  const Py_ssize_t n = PyList_GET_SIZE(list);
  if (failed || (!(n & (n - 1)) && prune(list))) return nullptr;  // now and then
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"resolve_shape", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&resolve_shape)),
     METH_FASTCALL, nullptr},
    {"link_view", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&link_view)),
     METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void bind_view(py::module_& m) {
  m.def("expand", &expand);
  if (PyModule_AddFunctions(m.ptr(), functions) != 0) throw py::error_already_set();
}

}  // namespace pag
