// What every binding needs: NumPy's arrays, argument checks, errors.
//
// Only files of this folder include pybind11. A binding checks and converts its arguments,
// releases the GIL where the work is worth it, and calls a kernel; kernels check nothing.
#pragma once
#include <pybind11/pybind11.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION  // allocation handlers
#define PY_ARRAY_UNIQUE_SYMBOL pyautograd_numpy_api
#ifndef PYAUTOGRAD_IMPORT_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "isa/table.h"

namespace pag {

namespace py = pybind11;

// A reference to an ndarray.
class Array : public py::object {
 public:
  PYBIND11_OBJECT_DEFAULT(Array, py::object, PyArray_Check_)
  static bool PyArray_Check_(PyObject* o) { return PyArray_Check(o); }

  PyArrayObject* array() const { return reinterpret_cast<PyArrayObject*>(m_ptr); }
  int ndim() const { return PyArray_NDIM(array()); }
  const npy_intp* shape() const { return PyArray_DIMS(array()); }
  int64_t shape(int d) const { return PyArray_DIM(array(), d); }
  int64_t stride(int d) const { return PyArray_STRIDE(array(), d); }  // bytes
  int64_t size() const { return PyArray_SIZE(array()); }
  int typenum() const { return PyArray_TYPE(array()); }
  bool contiguous() const { return PyArray_IS_C_CONTIGUOUS(array()); }
  template <class T = void>
  T* data() const {
    return static_cast<T*>(PyArray_DATA(array()));
  }
  // Null where there is no array: see optional_array.
  template <class T>
  T* data_or_null() const {
    return m_ptr ? data<T>() : nullptr;
  }
};

// A new C-contiguous array, not initialised, in memory that is kept for the next one if it is
// large. Null with an error set.
PyObject* make_array(PyArray_Descr* descr, int ndim, const npy_intp* shape);
// The same; throws MemoryError.
Array new_array(int typenum, int ndim, const npy_intp* shape);
Array new_array(int typenum, std::initializer_list<int64_t> shape);

// to = from, of one shape: by the kernel where it knows the dtype, else by NumPy. Throws.
void copy_into(const Array& to, const Array& from);

// The same values, C-contiguous, aligned and of native byte order; `a` itself where it is so.
Array contiguous(const Array& a);
// The same in another dtype.
Array cast(const Array& a, int typenum);

// "(2, 3)"
std::string shape_string(int ndim, const npy_intp* shape);
inline std::string shape_string(const Array& a) { return shape_string(a.ndim(), a.shape()); }
std::string dtype_name(int typenum);

// Kernels that take float32 and float64: all arrays must have one of the two, and the same.
// Raises TypeError naming `op`; returns true for float32.
bool check_float(const char* op, std::initializer_list<const Array*> arrays);
// run(float{}) or run(double{}), as check_float said.
template <class Run>
decltype(auto) with_float(bool single, Run&& run) {
  return single ? run(float{}) : run(double{});
}
// Raises ValueError naming `op` unless a has ndim dimensions.
void check_ndim(const char* op, const char* argument, const Array& a, int ndim);

inline bool same_shape(PyArrayObject* a, PyArrayObject* b) {
  const int ndim = PyArray_NDIM(a);
  if (ndim != PyArray_NDIM(b)) return false;
  const npy_intp *x = PyArray_DIMS(a), *y = PyArray_DIMS(b);
  for (int d = 0; d < ndim; ++d)
    if (x[d] != y[d]) return false;
  return true;
}
inline bool same_shape(const Array& a, const Array& b) { return same_shape(a.array(), b.array()); }
// Raises ValueError naming `op` and both arguments unless the shapes are the same.
void check_same_shape(const char* op, const char* name_a, const Array& a, const char* name_b,
                      const Array& b);

// An argument that may be None (then null); TypeError naming `op` unless it is an array.
Array optional_array(const char* op, const char* name, const py::object& o);
// Such an argument as a contiguous array (n,) of x's dtype.
Array optional_vector(const char* op, const char* name, const py::object& o, const Array& x,
                      int64_t n);

// Sizes, steps and borders of windows stay below this, so that their products fit 64 bits.
constexpr int64_t kPairLimit = int64_t{1} << 31;
// Reads two integers of at least `least`; else raises ValueError or TypeError.
void read_pair(const char* op, const char* name, const py::tuple& values, int64_t least,
               int64_t (&pair)[2]);
std::string pair_string(const int64_t (&pair)[2]);

// An array seen as (outer, n, inner) around one dimension.
struct Split {
  int64_t outer = 1, n = 1, inner = 1;
};
// Raises IndexError naming `op` unless 0 <= dim < ndim.
Split split_at(const char* op, const Array& a, int64_t dim);

// The dtype in which kernels compute arrays of that NumPy type; -1 where they do not.
int dtype_of(int typenum);

// Scope of a kernel call: without the GIL where it takes longer than handing the GIL over.
class KernelScope {
 public:
  explicit KernelScope(int64_t operations)
      : state_(operations > 10000 ? PyEval_SaveThread() : nullptr) {}
  ~KernelScope() {
    if (state_) PyEval_RestoreThread(state_);
  }
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

 private:
  PyThreadState* state_;
};

void bind_memory(py::module_& m);
void bind_elementwise(py::module_& m);
void bind_reduce(py::module_& m);
void bind_view(py::module_& m);
void bind_unfold(py::module_& m);
void bind_norm(py::module_& m);
void bind_optim(py::module_& m);
void bind_order(py::module_& m);
void bind_softmax(py::module_& m);
void bind_cross_entropy(py::module_& m);
void bind_index(py::module_& m);
void bind_pool(py::module_& m);
void bind_resample(py::module_& m);
void bind_grid(py::module_& m);
void bind_matmul(py::module_& m);
void bind_conv(py::module_& m);
void bind_plan(py::module_& m);
void bind_move(py::module_& m);
void bind_limits(py::module_& m);

}  // namespace pag
