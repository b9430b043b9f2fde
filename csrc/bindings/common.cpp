#include "bindings/common.h"

#include "kernels/move.h"

namespace pag {

Array new_array(int typenum, int ndim, const npy_intp* shape) {
  PyArray_Descr* descr = PyArray_DescrFromType(typenum);
  PyObject* a = make_array(descr, ndim, shape);
  Py_DECREF(descr);
  if (!a) throw py::error_already_set();
  return py::reinterpret_steal<Array>(a);
}

Array new_array(int typenum, std::initializer_list<int64_t> shape) {
  npy_intp dims[NPY_MAXDIMS_LEGACY_ITERS];
  int n = 0;
  for (const int64_t d : shape) dims[n++] = static_cast<npy_intp>(d);
  return new_array(typenum, n, dims);
}

void copy_into(const Array& to, const Array& from) {
  const bool plain = from.typenum() == to.typenum() && dtype_of(to.typenum()) >= 0 &&
                     PyArray_ISBEHAVED_RO(from.array()) && PyArray_ISBEHAVED(to.array()) &&
                     same_shape(to, from) && to.ndim() <= kMaxDims;
  if (!plain) {
    if (PyArray_CopyInto(to.array(), from.array()) < 0) throw py::error_already_set();
    return;
  }
  Elementwise args;
  args.ndim = to.ndim();
  args.arity = 2;
  const Array* arrays[] = {&to, &from};
  for (int k = 0; k < 2; ++k) {
    args.data[k] = arrays[k]->data();
    for (int d = 0; d < args.ndim; ++d) args.strides[k][d] = arrays[k]->stride(d);
  }
  for (int d = 0; d < args.ndim; ++d) args.shape[d] = to.shape(d);
  const KernelScope scope(to.size());
  copy_strided(static_cast<int>(PyArray_ITEMSIZE(to.array())), args);
}

Array cast(const Array& a, int typenum) {
  if (a.typenum() == typenum && a.contiguous() && PyArray_ISBEHAVED_RO(a.array())) return a;
  Array c = new_array(typenum, a.ndim(), a.shape());
  copy_into(c, a);
  return c;
}

Array contiguous(const Array& a) { return cast(a, a.typenum()); }

std::string shape_string(int ndim, const npy_intp* shape) {
  std::string s = "(";
  for (int d = 0; d < ndim; ++d) s += (d ? ", " : "") + std::to_string(shape[d]);
  return s + (ndim == 1 ? ",)" : ")");
}

std::string dtype_name(int typenum) {
  PyArray_Descr* descr = PyArray_DescrFromType(typenum);
  const py::object owned = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(descr));
  return py::str(owned);
}

int dtype_of(int typenum) {
  switch (typenum) {
    case NPY_FLOAT:
      return kF32;
    case NPY_DOUBLE:
      return kF64;
    case NPY_LONG:
      return sizeof(long) == 8 ? kI64 : kI32;
    case NPY_LONGLONG:
      return kI64;
    case NPY_INT:
      return kI32;
    case NPY_UBYTE:
    case NPY_BOOL:
      return kU8;
    default:
      return -1;
  }
}

bool check_float(const char* op, std::initializer_list<const Array*> arrays) {
  const int first = (*arrays.begin())->typenum();
  for (const Array* a : arrays) {
    const int t = a->typenum();
    if (t != NPY_FLOAT && t != NPY_DOUBLE)
      throw py::type_error(std::string(op) + ": expected float32 or float64, got " + dtype_name(t));
    if (t != first)
      throw py::type_error(std::string(op) + ": expected one dtype, got " + dtype_name(first) +
                           " and " + dtype_name(t));
  }
  return first == NPY_FLOAT;
}

void check_ndim(const char* op, const char* argument, const Array& a, int ndim) {
  if (a.ndim() != ndim)
    throw py::value_error(std::string(op) + ": expected " + argument + " with " +
                          std::to_string(ndim) + " dimensions, got shape " + shape_string(a));
}

std::string pair_string(const int64_t (&pair)[2]) {
  return "(" + std::to_string(pair[0]) + ", " + std::to_string(pair[1]) + ")";
}

void read_pair(const char* op, const char* name, const py::tuple& values, int64_t least,
               int64_t (&pair)[2]) {
  if (values.size() != 2)
    throw py::value_error(std::string(op) + ": expected " + name + " as 2 integers, got " +
                          std::string(py::str(values)));
  for (size_t d = 0; d < 2; ++d) {
    const Py_ssize_t number = PyNumber_AsSsize_t(values[d].ptr(), nullptr);  // clips
    if (number == -1 && PyErr_Occurred()) throw py::error_already_set();
    if (number < least || number >= kPairLimit)
      throw py::value_error(std::string(op) + ": expected " + name + " of at least " +
                            std::to_string(least) + " and less than 2^31, got " +
                            std::string(py::str(values)));
    pair[d] = number;
  }
}

void check_same_shape(const char* op, const char* name_a, const Array& a, const char* name_b,
                      const Array& b) {
  if (!same_shape(a, b))
    throw py::value_error(std::string(op) + ": shapes " + shape_string(a) + " and " +
                          shape_string(b) + " of " + name_a + " and " + name_b + " differ");
}

Array optional_array(const char* op, const char* name, const py::object& o) {
  if (o.is_none()) return Array();
  if (!PyArray_Check(o.ptr()))
    throw py::type_error(std::string(op) + ": expected " + name + " as an array or None, got " +
                         Py_TYPE(o.ptr())->tp_name);
  return py::reinterpret_borrow<Array>(o);
}

Array optional_vector(const char* op, const char* name, const py::object& o, const Array& x,
                      int64_t n) {
  const Array v = optional_array(op, name, o);
  if (!v.ptr()) return v;
  check_float(op, {&x, &v});
  if (v.ndim() != 1 || v.shape(0) != n)
    throw py::value_error(std::string(op) + ": expected " + name + " of shape (" +
                          std::to_string(n) + ",), got " + shape_string(v));
  return contiguous(v);
}

Split split_at(const char* op, const Array& a, int64_t dim) {
  if (dim < 0 || dim >= a.ndim())
    throw py::index_error(std::string(op) + ": dimension " + std::to_string(dim) +
                          " of an array with shape " + shape_string(a));
  Split split;
  for (int d = 0; d < a.ndim(); ++d)
    (d < dim ? split.outer : d == dim ? split.n : split.inner) *= a.shape(d);
  return split;
}

}  // namespace pag
