#include "bindings/operands.h"

#include <cmath>

namespace pag {
namespace {

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

py::type_error no_operand(const char* op, PyObject* o) {
  return py::type_error(std::string(op) + ": expected arrays or numbers, got " +
                        Py_TYPE(o)->tp_name);
}

int rank_of(const char* op, const Array& a) {
  const int rank = rank_of(a.typenum());
  if (rank < 0)
    throw py::type_error(std::string(op) + ": dtype " + dtype_name(a.typenum()) +
                         " is not supported (float32, float64, int64, int32, uint8, bool are)");
  return rank;
}

Array array_of(PyObject* o) {
  if (PyArray_Check(o)) return py::reinterpret_borrow<Array>(o);
  PyObject* converted = PyArray_FromAny(o, nullptr, 0, 0, 0, nullptr);
  if (!converted) throw py::error_already_set();
  return py::reinterpret_steal<Array>(converted);
}

Array operand_array(const char* op, PyObject* o, Promotion* promotion) {
  const bool is_array = PyArray_Check(o);
  if (!is_array && !PyFloat_Check(o) && !PyLong_Check(o) && !PyArray_IsScalar(o, Generic))
    throw no_operand(op, o);
  const Array a = array_of(o);
  if (is_array)
    promotion->add(a.ndim() ? Promotion::kArray : Promotion::kZeroDim, rank_of(op, a));
  else  // a Python float has no precision of its own
    promotion->add(Promotion::kNumber, a.typenum() == NPY_DOUBLE ? kFloatRank : rank_of(op, a));
  return a;
}

// Tests compare by NumPy's rule: the common type holds the values of both operands, 0-d arrays
// like any. Python numbers take the type of the other operand; a float beside integers is float64,
// and an integer that the other's type does not hold is compared all the same.
class Comparison {
 public:
  explicit Comparison(const char* op) : op_(op) {}

  void add(PyObject* o) {
    if (PyArray_Check(o) || PyArray_IsScalar(o, Generic))
      join(rank_of(op_, array_of(o)));
    else if (PyFloat_Check(o))
      fraction_ = true;
    else if (!PyLong_Check(o))
      throw no_operand(op_, o);
  }

  // After all operands were added: an operand as an array.
  Array operand(PyObject* o) {
    if (PyArray_Check(o) || PyArray_IsScalar(o, Generic)) return array_of(o);
    if (PyFloat_Check(o)) return number(PyFloat_AS_DOUBLE(o));
    int overflow = 0;
    const long long integer = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (integer == -1 && PyErr_Occurred()) throw py::error_already_set();
    if (rank_ < kFloatRank && !fraction_) {
      if (overflow) {
        join(kFloatRank + 1);
        return number(overflow * HUGE_VAL);
      }
      if (rank_ <= 0 || !fits(integer, dtype_of(kByRank[rank_]))) join(kRankOfInt64);
      Array a = new_array(NPY_INT64, 0, nullptr);
      *a.data<int64_t>() = integer;
      return a;
    }
    const double value = PyFloat_AsDouble(o);
    if (value == -1.0 && PyErr_Occurred()) throw py::error_already_set();
    return number(value);
  }

  // After all operands were asked for.
  int typenum() const { return kByRank[fraction_ && rank_ < kFloatRank ? kFloatRank + 1 : rank_]; }

 private:
  static constexpr int kRankOfInt64 = 3;

  void join(int rank) {
    const int high = rank > rank_ ? rank : rank_, low = rank > rank_ ? rank_ : rank;
    rank_ = high == kFloatRank && low >= 2 && low < kFloatRank ? kFloatRank + 1 : high;
  }
  static Array number(double value) {
    Array a = new_array(NPY_DOUBLE, 0, nullptr);
    *a.data<double>() = value;
    return a;
  }

  const char* op_;
  int rank_ = -1;
  bool fraction_ = false;  // a Python float is among the operands
};

}  // namespace

bool fits(long long value, int dtype) {
  return dtype == kI64 || (dtype == kI32 ? value == static_cast<int32_t>(value)
                                         : value == static_cast<uint8_t>(value));
}

int operand_arrays(Opcode op, PyObject* const* inputs, Array* arrays) {
  const OpInfo& info = kOps[op];
  if (info.domain == Domain::kTest) {
    Comparison comparison(info.name);
    for (int k = 0; k < info.arity; ++k) comparison.add(inputs[k]);
    for (int k = 0; k < info.arity; ++k) arrays[k] = comparison.operand(inputs[k]);
    return comparison.typenum();
  }
  Promotion promotion;
  int k = 0;
  if (info.domain == Domain::kChoice) {
    if (!PyArray_Check(inputs[0])) throw no_operand(info.name, inputs[0]);
    arrays[k++] = array_of(inputs[0]);
    if (arrays[0].typenum() != NPY_BOOL)
      throw py::type_error(std::string(info.name) + ": expected a bool condition, got " +
                           dtype_name(arrays[0].typenum()));
  }
  for (; k < info.arity; ++k) arrays[k] = operand_array(info.name, inputs[k], &promotion);
  const int typenum = promotion.typenum();
  return info.domain == Domain::kReal && category(rank_of(typenum)) < 2 ? NPY_FLOAT : typenum;
}

Array usable(const Array& a, int typenum) {
  const int dtype = dtype_of(a.typenum());
  const bool taken = dtype == dtype_of(typenum) || (dtype >= 0 && a.size() > 1);
  return taken && PyArray_ISBEHAVED_RO(a.array()) ? a : cast(a, typenum);
}

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

}  // namespace pag
