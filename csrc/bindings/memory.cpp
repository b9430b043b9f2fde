// The memory of arrays. Large arrays are ordinary ones of NumPy, which own their data: it comes
// through NumPy's allocation handler (NEP 49), which each array remembers. The handler is in force
// only while kernels, and the few functions of NumPy that stand for kernels, make their results.
#include "kernels/memory.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_set>

#include "bindings/common.h"

namespace pag {

extern "C" int PyTraceMalloc_Track(unsigned int, uintptr_t, size_t);  // Python 3.11 forgets the "C"

namespace {

// Blocks below this many bytes come from malloc, which is faster there.
constexpr size_t kLarge = 32768;
constexpr unsigned kTraceDomain = 389047;  // NumPy's, in tracemalloc

// Stands before the data of an array.
struct alignas(64) Header {
  size_t bytes;  // of the data
  bool large;
};

void* allocate(void*, size_t bytes) {
  if (bytes > PTRDIFF_MAX - 2 * sizeof(Header)) return nullptr;
  const size_t whole = (bytes + 2 * sizeof(Header) - 1) / sizeof(Header) * sizeof(Header);
  const bool large = bytes >= kLarge;
  const auto get = [&] {
    return static_cast<Header*>(large ? acquire_memory(static_cast<int64_t>(whole))
                                      : std::aligned_alloc(sizeof(Header), whole));
  };
  Header* h = get();
  if (!h && !large) {
    empty_cache();
    h = get();
  }
  if (!h) return nullptr;
  h->bytes = bytes;
  h->large = large;
  return h + 1;
}

void deallocate(void*, void* data, size_t) {
  if (!data) return;
  Header* h = static_cast<Header*>(data) - 1;
  h->large ? release_memory(h) : std::free(h);
}

void* allocate_zeros(void*, size_t count, size_t each) {
  if (each && count > PTRDIFF_MAX / each) return nullptr;
  void* data = allocate(nullptr, count * each);
  return data ? std::memset(data, 0, count * each) : nullptr;
}

void* reallocate(void*, void* data, size_t bytes) {
  if (!data) return allocate(nullptr, bytes);
  void* moved = allocate(nullptr, bytes);
  if (!moved) return nullptr;
  const size_t before = (static_cast<Header*>(data) - 1)->bytes;
  std::memcpy(moved, data, before < bytes ? before : bytes);
  deallocate(nullptr, data, before);
  return moved;
}

PyDataMem_Handler handler = {
    "pyautograd", 1, {nullptr, allocate, allocate_zeros, reallocate, deallocate}};
PyObject* capsule;

// Scope in which arrays that this thread makes have our memory.
class OurMemory {
 public:
  OurMemory() : before_(PyDataMem_SetHandler(capsule)) {
    if (!before_) throw py::error_already_set();
  }
  ~OurMemory() {
    const py::error_scope kept;
    Py_XDECREF(PyDataMem_SetHandler(before_));
    Py_DECREF(before_);
  }
  OurMemory(const OurMemory&) = delete;
  OurMemory& operator=(const OurMemory&) = delete;

 private:
  PyObject* before_;
};

PyObject* numpy_array(PyArray_Descr* descr, int ndim, const npy_intp* shape, void* data) {
  Py_INCREF(descr);
  const int flags =
      data ? NPY_ARRAY_CARRAY : 0;  // without data, flags would ask for Fortran's order
  return PyArray_NewFromDescr(&PyArray_Type, descr, ndim, shape, nullptr, data, flags, nullptr);
}

}  // namespace

PyObject* make_array(PyArray_Descr* descr, int ndim, const npy_intp* shape) {
  npy_intp bytes = PyDataType_ELSIZE(descr);
  for (int d = 0; d < ndim; ++d)
    if (__builtin_mul_overflow(bytes, shape[d], &bytes)) bytes = 0;  // NumPy has an error for it
  if (bytes < static_cast<npy_intp>(kLarge)) {
    PyObject* made = numpy_array(descr, ndim, shape, nullptr);
    if (made || !PyErr_ExceptionMatches(PyExc_MemoryError)) return made;
    PyErr_Clear();
    empty_cache();
    return numpy_array(descr, ndim, shape, nullptr);
  }
  void* data = allocate(nullptr, static_cast<size_t>(bytes));
  PyObject* made = numpy_array(descr, ndim, shape, data);  // where data is null, NumPy's own error
  if (!data) return made;
  if (!made) {
    deallocate(nullptr, data, 0);
    return nullptr;
  }
  // What NumPy would have done under our handler: to switch handlers takes 200 ns. The fields are
  // those that NumPy's own inline functions read.
  PyArrayObject_fields* array = reinterpret_cast<PyArrayObject_fields*>(made);
  Py_INCREF(capsule);
  array->mem_handler = capsule;
  array->flags |= NPY_ARRAY_OWNDATA;
  PyTraceMalloc_Track(kTraceDomain, reinterpret_cast<uintptr_t>(data), static_cast<size_t>(bytes));
  return made;
}

namespace {

// Elements, or bytes, among the arguments of a function whose results may be large: less makes no
// large result, unless two operands broadcast to it.
constexpr npy_intp kMaybeLarge = 2048;

// The bytes of an array or of arrays in a sequence, or the elements of a shape.
npy_intp extent(PyObject* o) {
  if (PyArray_Check(o)) return PyArray_NBYTES(reinterpret_cast<PyArrayObject*>(o));
  if (PyCFunction_Check(o) && PyCFunction_GET_SELF(o) && PyArray_Check(PyCFunction_GET_SELF(o)))
    return extent(PyCFunction_GET_SELF(o));
  if (!PyTuple_Check(o) && !PyList_Check(o)) return 0;
  npy_intp elements = 1, bytes = 0;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(o, i);
    if (PyLong_Check(item)) {
      int overflow;
      const npy_intp n = PyLong_AsLongAndOverflow(item, &overflow);
      if (overflow || __builtin_mul_overflow(elements, n, &elements)) return kMaybeLarge;
    } else if (PyArray_Check(item)) {
      bytes += extent(item);
    } else {
      return kMaybeLarge;  // who knows
    }
    if (bytes >= kMaybeLarge) break;
  }
  return bytes > elements ? bytes : elements;
}

// cached(function, *args): function(*args), whose new arrays have our memory if they may be large.
PyObject* cached(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  if (count < 1) {
    PyErr_SetString(PyExc_TypeError, "cached: expected a function");
    return nullptr;
  }
  bool large = false;
  for (Py_ssize_t i = 0; i < count && !large; ++i) large = extent(args[i]) >= kMaybeLarge;
  if (!large) return PyObject_Vectorcall(args[0], args + 1, static_cast<size_t>(count - 1), names);
  try {
    const OurMemory scope;
    return PyObject_Vectorcall(args[0], args + 1, static_cast<size_t>(count - 1), names);
  } catch (py::error_already_set& e) {
    e.restore();
    return nullptr;
  }
}

// ---- arrays in other hands: see modes.py --------------------------------------------------------

// The addresses of arrays that own their memory and were handed out. Of one that is gone the
// address stays: another array there may be taken for it, which costs time alone.
std::unordered_set<const PyObject*> lent_owners;
std::mutex lent_mutex;

const PyObject* owner_of(PyObject* array) {
  PyObject* base = PyArray_BASE(reinterpret_cast<PyArrayObject*>(array));
  while (base && PyArray_Check(base)) {
    array = base;
    base = PyArray_BASE(reinterpret_cast<PyArrayObject*>(array));
  }
  return array;
}

bool is_array(PyObject* const* args, Py_ssize_t count, const char* name) {
  if (count == 1 && PyArray_Check(args[0])) return true;
  PyErr_Format(PyExc_TypeError, "%s: expected an array", name);
  return false;
}

// Notes that the array is handed out. Whether that is new.
PyObject* lend(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (!is_array(args, count, "lend")) return nullptr;
  const std::lock_guard<std::mutex> lock(lent_mutex);
  return PyBool_FromLong(lent_owners.insert(owner_of(args[0])).second);
}

PyObject* is_lent(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (!is_array(args, count, "is_lent")) return nullptr;
  const std::lock_guard<std::mutex> lock(lent_mutex);
  return PyBool_FromLong(lent_owners.count(owner_of(args[0])) != 0);
}

// reclaim(tensor, holders): forgets that its array was handed out, if only so many tensors have it.
void reclaim(const py::object& tensor, Py_ssize_t holders) {
  if (!py::hasattr(tensor, "_array")) throw py::type_error("reclaim: expected a tensor");
#ifdef Py_GIL_DISABLED
  (void)holders;  // counts of references are not exact there
#else
  const py::object array = tensor.attr("_array");
  if (!PyArray_Check(array.ptr()) || Py_REFCNT(array.ptr()) != holders + 1) return;
  const std::lock_guard<std::mutex> lock(lent_mutex);
  lent_owners.erase(array.ptr());
#endif
}

PyMethodDef methods[] = {
    {"lend", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(lend)), METH_FASTCALL,
     nullptr},
    {"is_lent", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(is_lent)), METH_FASTCALL,
     nullptr},
    {"cached", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(cached)),
     METH_FASTCALL | METH_KEYWORDS, nullptr},
};

py::dict stats() {
  const MemoryStats s = memory_stats();
  py::dict d;
  d["in_use"] = s.in_use;
  d["peak"] = s.peak;
  d["cached"] = s.cached;
  d["limit"] = s.limit;
  d["mapped"] = s.mapped;
  d["hits"] = s.hits;
  d["misses"] = s.misses;
  return d;
}

}  // namespace

void bind_memory(py::module_& m) {
  capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
  if (!capsule) throw py::error_already_set();
  m.def("memory_stats", &stats);
  m.def("reset_peak_memory", &reset_peak_memory);
  m.def("set_cache_limit", &set_cache_limit);
  m.def("empty_cache", &empty_cache);
  m.def("huge_pages", &huge_pages);
  m.def("set_huge_pages", &set_huge_pages);
  m.def("reclaim", &reclaim);
  const py::object name = m.attr("__name__");
  for (PyMethodDef& method : methods)
    m.attr(method.ml_name) =
        py::reinterpret_steal<py::object>(PyCFunction_NewEx(&method, nullptr, name.ptr()));
}

}  // namespace pag
