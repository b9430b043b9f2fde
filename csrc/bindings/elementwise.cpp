// Element-wise kernels as functions of the fast calling convention, collected in the dict
// _C.elementwise by the names of isa/opcodes.def.
//
// Budget of a 4x4 multiply here, about 100 ns: 65 of them NumPy's allocation of the result.
#include "kernels/elementwise.h"

#include "bindings/common.h"

namespace pag {
namespace {

struct OpInfo {
  const char* name;
  int arity;
  bool real;  // integers are computed as float32
};

const OpInfo kInfo[kOpcodes] = {
#define DOMAIN_any false
#define DOMAIN_real true
#define UNARY(name, domain, expression) {#name, 1, DOMAIN_##domain},
#define BINARY(name, domain, expression) {#name, 2, DOMAIN_##domain},
#define TERNARY(name, domain, expression) {#name, 3, DOMAIN_##domain},
#include "isa/opcodes.def"
#undef UNARY
#undef BINARY
#undef TERNARY
};

PyArrayObject* as_array(PyObject* o) { return reinterpret_cast<PyArrayObject*>(o); }

// The DType of a plain float array that a contiguous loop can take as it is, or -1.
int plain_float(PyObject* o) {
  if (Py_TYPE(o) != &PyArray_Type) return -1;
  PyArrayObject* a = as_array(o);
  const int flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED;
  if ((PyArray_FLAGS(a) & flags) != flags) return -1;
  if (!PyArray_ISNBO(PyArray_DESCR(a)->byteorder)) return -1;
  const int typenum = PyArray_TYPE(a);
  return typenum == NPY_FLOAT ? kF32 : typenum == NPY_DOUBLE ? kF64 : -1;
}

// ---- the general path: promotion, casts, broadcasting ------------------------------------------

const int kByRank[] = {NPY_BOOL, NPY_UBYTE, NPY_INT, NPY_INT64, NPY_FLOAT, NPY_DOUBLE};
const int kFloatRank = 4;

int rank_of(int typenum) {
  switch (dtype_of(typenum)) {
    case kF32:
      return 4;
    case kF64:
      return 5;
    case kI64:
      return 3;
    case kI32:
      return 2;
    case kU8:
      return typenum == NPY_BOOL ? 0 : 1;
    default:
      return -1;
  }
}
int category(int rank) { return rank == 0 ? 0 : rank < kFloatRank ? 1 : 2; }

// The common type by PyTorch's rule: arrays with dimensions decide; 0-d arrays, and after them
// Python numbers, count only where their category (bool, integer, float) is a higher one.
class Promotion {
 public:
  enum Tier { kArray, kZeroDim, kNumber, kTiers };
  void add(Tier tier, int rank) {
    if (rank > top_[tier]) top_[tier] = rank;
  }
  int typenum() const {
    int result = -1;
    for (const int rank : top_)
      if (rank >= 0 && (result < 0 || category(rank) > category(result)))
        result = rank > result ? rank : result;
    return kByRank[result];
  }

 private:
  int top_[kTiers] = {-1, -1, -1};
};

Array operand_array(const char* op, PyObject* o, Promotion* promotion) {
  Promotion::Tier tier = Promotion::kNumber;
  Array a;
  if (PyArray_Check(o)) {
    a = py::reinterpret_borrow<Array>(o);
    tier = a.ndim() ? Promotion::kArray : Promotion::kZeroDim;
  } else {
    if (!PyFloat_Check(o) && !PyLong_Check(o) && !PyArray_IsScalar(o, Generic))
      throw py::type_error(std::string(op) + ": expected arrays or numbers, got " +
                           Py_TYPE(o)->tp_name);
    PyObject* converted = PyArray_FromAny(o, nullptr, 0, 0, 0, nullptr);
    if (!converted) throw py::error_already_set();
    a = py::reinterpret_steal<Array>(converted);
    if (a.typenum() == NPY_DOUBLE) {  // a Python float has no precision of its own
      promotion->add(tier, kFloatRank);
      return a;
    }
  }
  const int rank = rank_of(a.typenum());
  if (rank < 0)
    throw py::type_error(std::string(op) + ": dtype " + dtype_name(a.typenum()) +
                         " is not supported (float32, float64, int64, int32, uint8, bool are)");
  promotion->add(tier, rank);
  return a;
}

Array usable(const Array& a, int typenum) {
  if (dtype_of(a.typenum()) == dtype_of(typenum) && PyArray_ISBEHAVED_RO(a.array())) return a;
  return cast(a, typenum);
}

// Fills args.shape and the strides; returns the result's shape in `dims`.
int broadcast(const char* op, Elementwise* args, const Array* arrays, npy_intp* dims) {
  int ndim = 0;
  for (int k = 0; k < args->arity; ++k) ndim = arrays[k].ndim() > ndim ? arrays[k].ndim() : ndim;
  if (ndim > kMaxDims) throw py::value_error(std::string(op) + ": too many dimensions");
  for (int d = 0; d < ndim; ++d) dims[d] = 1;
  for (int k = 0; k < args->arity; ++k) {
    const int shift = ndim - arrays[k].ndim();
    for (int d = shift; d < ndim; ++d) {
      const npy_intp n = arrays[k].shape(d - shift);
      if (n == 1) continue;
      if (dims[d] != 1 && dims[d] != n) {
        std::string shapes = shape_string(arrays[0]);
        for (int j = 1; j < args->arity; ++j)
          shapes += (j + 1 == args->arity ? " and " : ", ") + shape_string(arrays[j]);
        throw py::value_error(std::string(op) + ": shapes " + shapes + " do not broadcast: " +
                              std::to_string(dims[d]) + " != " + std::to_string(n));
      }
      dims[d] = n;
    }
  }
  args->ndim = ndim;
  for (int d = 0; d < ndim; ++d) args->shape[d] = dims[d];
  for (int k = 0; k < args->arity; ++k) {
    const int shift = ndim - arrays[k].ndim();
    args->data[k] = arrays[k].data();
    for (int d = 0; d < ndim; ++d)
      args->strides[k][d] = d < shift || (arrays[k].shape(d - shift) == 1 && dims[d] != 1)
                                ? 0
                                : arrays[k].stride(d - shift);
  }
  return ndim;
}

int64_t elements(const Elementwise& args) {
  int64_t n = 1;
  for (int d = 0; d < args.ndim; ++d) n *= args.shape[d];
  return n;
}

PyObject* general(Opcode op, PyObject* const* inputs) {
  const OpInfo& info = kInfo[op];
  Promotion promotion;
  Array arrays[kMaxOperands];
  for (int k = 0; k < info.arity; ++k) arrays[k] = operand_array(info.name, inputs[k], &promotion);
  int typenum = promotion.typenum();
  if (info.real && category(rank_of(typenum)) < 2) typenum = NPY_FLOAT;
  for (int k = 0; k < info.arity; ++k) arrays[k] = usable(arrays[k], typenum);
  Elementwise args;
  args.arity = info.arity;
  npy_intp dims[kMaxDims];
  const int ndim = broadcast(info.name, &args, arrays, dims);
  Array out = new_array(typenum, ndim, dims);
  const int64_t n = elements(args);
  {
    KernelScope scope(n);
    elementwise(op, static_cast<DType>(dtype_of(typenum)), args, out.data());
    if (typenum == NPY_BOOL)
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

// False, with an error set, for an integer that no double holds.
bool fill_number(PyObject* number, int dtype, npy_intp n, char* tile) {
  const double value = PyFloat_AsDouble(number);
  if (value == -1.0 && PyErr_Occurred()) return false;
  for (npy_intp i = 0; i < n; ++i) {
    if (dtype == kF32)
      reinterpret_cast<float*>(tile)[i] = static_cast<float>(value);
    else
      reinterpret_cast<double*>(tile)[i] = value;
  }
  return true;
}

template <int Op>
PyObject* call(PyObject*, PyObject* const* inputs, Py_ssize_t count) {
  constexpr Opcode op = static_cast<Opcode>(Op);
  const int arity = kInfo[op].arity;
  if (count != arity) {
    PyErr_Format(PyExc_TypeError, "%s: expected %d arrays, got %zd", kInfo[op].name, arity, count);
    return nullptr;
  }
  // Short way: plain float arrays of one shape and dtype, and Python numbers.
  PyObject* array = nullptr;
  int dtype = -1;
  bool plain = true, numbers = false;
  for (int k = 0; k < arity && plain; ++k) {
    PyObject* o = inputs[k];
    if (PyFloat_CheckExact(o) || PyLong_CheckExact(o)) {
      numbers = true;
    } else if (!array) {
      array = o;
      dtype = plain_float(o);
      plain = dtype >= 0;
    } else {
      plain = plain_float(o) == dtype && same_shape(as_array(array), as_array(o));
    }
  }
  const npy_intp n = plain && array ? PyArray_SIZE(as_array(array)) : -1;
  if (n < 0 || n > kShort) return translated([&] { return general(op, inputs); });

  const void* data[kMaxOperands];
  alignas(64) char tile[kMaxOperands][kNumberTile * 8];
  const npy_intp filled = n < kNumberTile ? n : kNumberTile;
  for (int k = 0; k < arity; ++k) {
    data[k] = tile[k];
    if (!PyFloat_CheckExact(inputs[k]) && !PyLong_CheckExact(inputs[k]))
      data[k] = PyArray_DATA(as_array(inputs[k]));
    else if (!fill_number(inputs[k], dtype, filled, tile[k]))
      return nullptr;
  }
  PyObject* out = make_array(PyArray_DESCR(as_array(array)), PyArray_NDIM(as_array(array)),
                             PyArray_DIMS(as_array(array)));
  if (!out) return nullptr;
  const ElementwiseLoop loop = isa().elementwise[op][dtype];
  char* to = static_cast<char*>(PyArray_DATA(as_array(out)));
  if (!numbers) {
    loop(to, data, n);
    return out;
  }
  const int itemsize = dtype == kF32 ? 4 : 8;
  for (npy_intp i = 0; i < n; i += kNumberTile) {
    loop(to + i * itemsize, data, n - i < kNumberTile ? n - i : kNumberTile);
    for (int k = 0; k < arity; ++k)
      if (data[k] != tile[k]) data[k] = static_cast<const char*>(data[k]) + kNumberTile * itemsize;
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
    elementwise(kOp_add, static_cast<DType>(dtype), args, const_cast<void*>(args.data[0]));
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

Array where(const Array& condition, const py::object& a, const py::object& b) {
  if (condition.typenum() != NPY_BOOL)
    throw py::type_error("where: expected a bool condition, got " +
                         dtype_name(condition.typenum()));
  Promotion promotion;
  Array arrays[3] = {condition, operand_array("where", a.ptr(), &promotion),
                     operand_array("where", b.ptr(), &promotion)};
  const int typenum = promotion.typenum();
  arrays[0] = usable(condition, NPY_BOOL);
  for (int k = 1; k < 3; ++k) arrays[k] = usable(arrays[k], typenum);
  Elementwise args;
  args.arity = 3;
  npy_intp dims[kMaxDims];
  const int ndim = broadcast("where", &args, arrays, dims);
  Array out = new_array(typenum, ndim, dims);
  KernelScope scope(elements(args));
  select(static_cast<int>(PyArray_ITEMSIZE(out.array())), args, out.data());
  return out;
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
    methods[Op] = {kInfo[Op].name,
                   reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call<Op>)),
                   METH_FASTCALL, nullptr};
    table[kInfo[Op].name] =
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
  m.def("where", &where);
  m.def("broadcast_shapes", &broadcast_shapes);
}

}  // namespace pag
