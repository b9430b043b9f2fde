// Element-wise kernels as functions of the fast calling convention, collected in the dict
// _C.elementwise by the names of isa/opcodes.def.
//
// Budget of a 4x4 multiply here, about 100 ns: 65 of them NumPy's allocation of the result.
#include "kernels/elementwise.h"

#include "bindings/operands.h"

namespace pag {
namespace {

PyArrayObject* as_array(PyObject* o) { return reinterpret_cast<PyArrayObject*>(o); }

// The DType of a plain array that a contiguous loop can take as it is, or -1.
int plain_dtype(PyObject* o) {
  if (Py_TYPE(o) != &PyArray_Type) return -1;
  PyArrayObject* a = as_array(o);
  const int flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
  if ((PyArray_FLAGS(a) & flags) != flags) return -1;
  if (!PyArray_ISNBO(PyArray_DESCR(a)->byteorder)) return -1;
  return dtype_of(PyArray_TYPE(a));
}
int plain_float(PyObject* o) {
  const int dtype = plain_dtype(o);
  return dtype == kF32 || dtype == kF64 ? dtype : -1;
}

bool is_number(PyObject* o) { return PyFloat_CheckExact(o) || PyLong_CheckExact(o); }

// ---- the general path
// ----------------------------------------------------------------------------

int64_t elements(const Elementwise& args) {
  int64_t n = 1;
  for (int d = 0; d < args.ndim; ++d) n *= args.shape[d];
  return n;
}

int result_typenum(Opcode op, int typenum) {
  constexpr int by_dtype[kDTypes] = {NPY_FLOAT, NPY_DOUBLE, NPY_INT64, NPY_INT, NPY_UBYTE};
  const OpInfo& info = kOps[op];
  return info.domain == Domain::kTest   ? NPY_BOOL
         : info.domain == Domain::kCast ? by_dtype[info.result]
                                        : typenum;
}

PyObject* general(Opcode op, PyObject* const* inputs) {
  const OpInfo& info = kOps[op];
  Array arrays[kMaxOperands];
  const int typenum = operand_arrays(op, inputs, arrays);
  DType from[kMaxOperands];
  for (int k = 0; k < info.arity; ++k) {
    arrays[k] = usable(arrays[k], info.domain == Domain::kChoice && k == 0 ? NPY_BOOL : typenum);
    from[k] = static_cast<DType>(dtype_of(arrays[k].typenum()));
  }
  Elementwise args;
  args.arity = info.arity;
  npy_intp dims[kMaxDims];
  const int ndim = broadcast(info.name, &args, arrays, dims);
  Array out = new_array(result_typenum(op, typenum), ndim, dims);
  const int64_t n = elements(args);
  {
    KernelScope scope(n);
    elementwise(op, static_cast<DType>(dtype_of(typenum)), args, from, out.data());
    if (typenum == NPY_BOOL && (info.domain == Domain::kAny || info.domain == Domain::kReal))
      for (uint8_t *p = out.data<uint8_t>(), *end = p + n; p < end; ++p) *p = *p != 0;
  }
  return out.release().ptr();
}

// ---- entries -----------------------------------------------------------------------------------

template <class F>
PyObject* translated(F&& f) {
  try {
    return f();
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  }
  return nullptr;
}

constexpr npy_intp kShort = 10000;     // elements, above which the GIL is released
constexpr npy_intp kNumberTile = 192;  // elements of a Python number spread out

enum class Filled { kYes, kNo, kError };

// kNo for a number that is none of the dtype; kError, with an error set, for an integer that no
// double holds.
Filled fill_number(PyObject* number, int dtype, npy_intp n, char* tile) {
  const auto fill = [&](auto value) {
    for (npy_intp i = 0; i < n; ++i) reinterpret_cast<decltype(value)*>(tile)[i] = value;
    return Filled::kYes;
  };
  if (dtype == kF32 || dtype == kF64) {
    const double value = PyFloat_AsDouble(number);
    if (value == -1.0 && PyErr_Occurred()) return Filled::kError;
    return dtype == kF32 ? fill(static_cast<float>(value)) : fill(value);
  }
  if (!PyLong_CheckExact(number)) return Filled::kNo;
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow || !fits(value, dtype)) return Filled::kNo;
  return dtype == kI64   ? fill(static_cast<int64_t>(value))
         : dtype == kI32 ? fill(static_cast<int32_t>(value))
                         : fill(static_cast<uint8_t>(value));
}

// Whether the short way is open to operands of that dtype. A bool is a uint8 to kernels, but not
// to arithmetic.
constexpr bool takes(Domain domain, int dtype) {
  return domain == Domain::kReal  ? dtype == kF32 || dtype == kF64
         : domain == Domain::kAny ? dtype >= 0 && dtype != kU8
                                  : dtype >= 0;
}

template <int Op>
PyObject* call(PyObject*, PyObject* const* inputs, Py_ssize_t count) {
  constexpr Opcode op = static_cast<Opcode>(Op);
  constexpr Domain domain = kOps[op].domain;
  constexpr int arity = kOps[op].arity;
  constexpr int first = domain == Domain::kChoice;  // of the operands of one dtype
  if (count != arity) {
    PyErr_Format(PyExc_TypeError, "%s: expected %d arrays, got %zd", kOps[op].name, arity, count);
    return nullptr;
  }
  // Short way: plain arrays of one shape and dtype, and Python numbers.
  PyObject* array = nullptr;
  int dtype = -1;
  bool plain = true, numbers = false;
  for (int k = first; k < arity && plain; ++k) {
    PyObject* o = inputs[k];
    if (is_number(o)) {
      numbers = true;
    } else if (!array) {
      array = o;
      dtype = plain_dtype(o);
      plain = takes(domain, dtype);
    } else {
      plain = plain_dtype(o) == dtype && same_shape(as_array(array), as_array(o));
    }
  }
  if (first && plain && array)
    plain = plain_dtype(inputs[0]) == kU8 && PyArray_TYPE(as_array(inputs[0])) == NPY_BOOL &&
            same_shape(as_array(array), as_array(inputs[0])) && !(numbers && dtype == kU8);
  const npy_intp n = plain && array ? PyArray_SIZE(as_array(array)) : -1;
  if (n < 0 || n > kShort) return translated([&] { return general(op, inputs); });

  const void* data[kMaxOperands];
  alignas(64) char tile[kMaxOperands][kNumberTile * 8];
  const npy_intp filled = n < kNumberTile ? n : kNumberTile;
  for (int k = 0; k < arity; ++k) {
    data[k] = tile[k];
    if (!is_number(inputs[k])) {
      data[k] = PyArray_DATA(as_array(inputs[k]));
      continue;
    }
    const Filled done = fill_number(inputs[k], dtype, filled, tile[k]);
    if (done == Filled::kError) return nullptr;
    if (done == Filled::kNo) return translated([&] { return general(op, inputs); });
  }
  PyArray_Descr* descr = PyArray_DESCR(as_array(array));
  constexpr bool other = domain == Domain::kTest || domain == Domain::kCast;
  if (other) descr = PyArray_DescrFromType(result_typenum(op, -1));
  PyObject* out = make_array(descr, PyArray_NDIM(as_array(array)), PyArray_DIMS(as_array(array)));
  if (other) Py_DECREF(descr);
  if (!out) return nullptr;
  const ElementwiseLoop loop = isa().elementwise[op][dtype];
  char* to = static_cast<char*>(PyArray_DATA(as_array(out)));
  if (!numbers) {
    loop(to, data, n);
    return out;
  }
  const int out_itemsize = itemsize_of(result_dtype(op, static_cast<DType>(dtype)));
  for (npy_intp i = 0; i < n; i += kNumberTile) {
    loop(to + i * out_itemsize, data, n - i < kNumberTile ? n - i : kNumberTile);
    for (int k = 0; k < arity; ++k)
      if (data[k] != tile[k])
        data[k] = static_cast<const char*>(data[k]) +
                  kNumberTile * itemsize_of(operand_dtype(op, k, static_cast<DType>(dtype)));
  }
  return out;
}

// a += b for plain float arrays of one shape and dtype; a is written.
PyObject* add_into(PyObject*, PyObject* const* inputs, Py_ssize_t count) {
  return translated([&]() -> PyObject* {
    if (count != 2 || !PyArray_Check(inputs[0]) || !PyArray_Check(inputs[1]))
      throw py::type_error("add_into: expected two arrays");
    const int dtype = plain_float(inputs[0]);
    if (dtype < 0 || !PyArray_ISWRITEABLE(as_array(inputs[0])) || plain_float(inputs[1]) != dtype ||
        !same_shape(as_array(inputs[0]), as_array(inputs[1]))) {
      if (!PyNumber_InPlaceAdd(inputs[0], inputs[1])) throw py::error_already_set();
      Py_DECREF(inputs[0]);  // the result, which is the array itself
      Py_RETURN_NONE;
    }
    Elementwise args;
    args.ndim = 1;
    args.arity = 2;
    args.shape[0] = PyArray_SIZE(as_array(inputs[0]));
    for (int k = 0; k < 2; ++k) {
      args.data[k] = PyArray_DATA(as_array(inputs[k]));
      args.strides[k][0] = dtype == kF32 ? 4 : 8;
    }
    KernelScope scope(args.shape[0]);
    const DType from[] = {static_cast<DType>(dtype), static_cast<DType>(dtype)};
    elementwise(kOp_add, from[0], args, from, const_cast<void*>(args.data[0]));
    Py_RETURN_NONE;
  });
}

// The same of what is no array, but has these attributes: the values of a static graph.
PyObject* same_attributes(py::handle a, py::handle b) {
  for (const py::handle x : {a, b})
    if (!py::hasattr(x, "shape") || !py::hasattr(x, "dtype"))
      throw py::type_error("same_layout: expected two arrays");
  const bool same =
      a.attr("shape").equal(b.attr("shape")) && a.attr("dtype").equal(b.attr("dtype"));
  return PyBool_FromLong(same);
}

// Whether two arrays have one shape and one dtype.
PyObject* same_layout(PyObject*, PyObject* const* inputs, Py_ssize_t count) {
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "same_layout: expected two arrays");
    return nullptr;
  }
  if (!PyArray_Check(inputs[0]) || !PyArray_Check(inputs[1]))
    return translated([&] { return same_attributes(inputs[0], inputs[1]); });
  PyArray_Descr *x = PyArray_DESCR(as_array(inputs[0])), *y = PyArray_DESCR(as_array(inputs[1]));
  const bool same =
      same_shape(as_array(inputs[0]), as_array(inputs[1])) && (x == y || PyArray_EquivTypes(x, y));
  return PyBool_FromLong(same);
}

// The shape that shapes broadcast to; `op` names the error.
py::tuple broadcast_shapes(const std::string& op, const py::args& shapes) {
  npy_intp dims[kMaxDims];
  Elementwise args;
  Array arrays[kMaxOperands];
  args.arity = static_cast<int>(shapes.size());
  if (args.arity > kMaxOperands) throw py::value_error("broadcast_shapes: at most 3 shapes");
  char byte = 0;
  for (int k = 0; k < args.arity; ++k) {
    const py::tuple shape(shapes[static_cast<size_t>(k)]);
    npy_intp extent[kMaxDims], stride[kMaxDims] = {};
    const int ndim = static_cast<int>(shape.size());
    if (ndim > kMaxDims) throw py::value_error(op + ": too many dimensions");
    for (int d = 0; d < ndim; ++d) extent[d] = shape[static_cast<size_t>(d)].cast<npy_intp>();
    PyObject* view =
        PyArray_New(&PyArray_Type, ndim, extent, NPY_BOOL, stride, &byte, 0, 0, nullptr);
    if (!view) throw py::error_already_set();
    arrays[k] = py::reinterpret_steal<Array>(view);
  }
  const int ndim = broadcast(op.c_str(), &args, arrays, dims);
  py::tuple result(static_cast<size_t>(ndim));
  for (int d = 0; d < ndim; ++d) result[static_cast<size_t>(d)] = py::int_(dims[d]);
  return result;
}

PyMethodDef methods[kOpcodes + 2];

template <int Op>
void define(py::dict& table, PyObject* module_name) {
  if constexpr (Op < kOpcodes) {
    methods[Op] = {kOps[Op].name,
                   reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call<Op>)),
                   METH_FASTCALL, nullptr};
    table[kOps[Op].name] =
        py::reinterpret_steal<py::object>(PyCFunction_NewEx(&methods[Op], nullptr, module_name));
    define<Op + 1>(table, module_name);
  }
}

}  // namespace

void bind_elementwise(py::module_& m) {
  const py::object name = m.attr("__name__");
  py::dict table;
  define<0>(table, name.ptr());
  m.attr("elementwise") = table;

  using Fast = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);
  const auto add = [&](int slot, const char* entry, Fast f) {
    methods[slot] = {entry, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f)),
                     METH_FASTCALL, nullptr};
    m.attr(entry) =
        py::reinterpret_steal<py::object>(PyCFunction_NewEx(&methods[slot], nullptr, name.ptr()));
  };
  add(kOpcodes, "add_into", add_into);
  add(kOpcodes + 1, "same_layout", same_layout);
  m.def("broadcast_shapes", &broadcast_shapes);
}

}  // namespace pag
