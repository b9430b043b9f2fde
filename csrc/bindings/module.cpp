#define PYAUTOGRAD_IMPORT_NUMPY
#include "bindings/common.h"
#include "kernels/parallel.h"

namespace pag {

Array new_array(int typenum, int ndim, const npy_intp* shape) {
  PyObject* a = PyArray_SimpleNew(ndim, shape, typenum);
  if (!a) throw py::error_already_set();
  return py::reinterpret_steal<Array>(a);
}

Array new_array(int typenum, std::initializer_list<int64_t> shape) {
  npy_intp dims[NPY_MAXDIMS_LEGACY_ITERS];
  int n = 0;
  for (const int64_t d : shape) dims[n++] = static_cast<npy_intp>(d);
  return new_array(typenum, n, dims);
}

Array cast(const Array& a, int typenum) {
  PyObject* c = PyArray_FromAny(a.ptr(), PyArray_DescrFromType(typenum), 0, 0,
                                NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST, nullptr);
  if (!c) throw py::error_already_set();
  return py::reinterpret_steal<Array>(c);
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

PYBIND11_MODULE(_C, m) {
  if (_import_array() < 0) throw pybind11::error_already_set();
  // Elements of tuples that do not convert; pybind11 would make a RuntimeError of it.
  pybind11::register_local_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const pybind11::cast_error&) {
      PyErr_SetString(PyExc_TypeError, "expected integers of at most 64 bits as sizes");
    }
  });
  m.def("num_threads", &pag::num_threads);
  m.def("set_num_threads", &pag::set_num_threads);
  m.def("has_openmp", &pag::has_openmp);
  m.def("isa", [] { return pag::isa().name; });
  m.def("available_isas", [] {
    const char* names[8];
    const int n = pag::available_isas(names, 8);
    pybind11::list list;
    for (int i = 0; i < n; ++i) list.append(names[i]);
    return list;
  });
  m.def("select_isa", [](const std::string& name) {
    if (!pag::select_isa(name.c_str()))
      throw pybind11::value_error("this machine has no instruction set '" + name + "' to select");
  });
  pag::bind_elementwise(m);
  pag::bind_reduce(m);
  pag::bind_view(m);
  pag::bind_unfold(m);
  pag::bind_norm(m);
  pag::bind_optim(m);
  pag::bind_softmax(m);
  pag::bind_index(m);
  pag::bind_pool(m);
  pag::bind_matmul(m);
  pag::bind_conv(m);
}
