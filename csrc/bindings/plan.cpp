// The plans of static graphs: Python adds calls of ops, with operands by slot and offset, says what
// the slots hold, and runs them. Runs of one plan are one at a time: the caller sees to it.
#include "exec/plan.h"

#include <pybind11/stl.h>

#include <optional>

#include "bindings/optim.h"

namespace pag {
namespace {

// None, or (array type number, shape, strides in bytes, slot, offset in bytes)
Operand read_operand(const py::handle& h) {
  Operand o;
  if (h.is_none()) return o;
  const py::tuple t = h.cast<py::tuple>();
  if (t.size() != 5) throw py::value_error("plan: expected operands of 5 parts");
  const int dtype = dtype_of(t[0].cast<int>());
  const py::tuple shape = t[1], strides = t[2];
  if (dtype < 0 || shape.size() != strides.size() || shape.size() > kMaxDims)
    throw py::value_error("plan: an operand that no kernel takes");
  o.dtype = static_cast<DType>(dtype);
  o.ndim = static_cast<int>(shape.size());
  for (size_t d = 0; d < shape.size(); ++d) {
    o.shape[d] = shape[d].cast<int64_t>();
    o.strides[d] = strides[d].cast<int64_t>();
  }
  o.slot = t[3].cast<int>();
  o.offset = t[4].cast<int64_t>();
  return o;
}

// tail: None, or the first four arguments for the program that it is.
Call read_call(const py::list& in, const py::list& out, std::vector<int64_t> ints,
               std::vector<double> numbers, const py::object& tail) {
  Call call;
  for (const py::handle h : in) call.in.push_back(read_operand(h));
  for (const py::handle h : out) call.out.push_back(read_operand(h));
  if (call.out.empty()) throw py::value_error("plan: a call without outputs");
  call.ints = std::move(ints);
  call.numbers = std::move(numbers);
  if (tail.is_none()) return call;
  const py::tuple t = tail.cast<py::tuple>();
  if (t.size() != 4) throw py::value_error("plan: expected a program of 4 parts");
  call.tail = std::make_shared<Call>(read_call(t[0].cast<py::list>(), t[1].cast<py::list>(),
                                               t[2].cast<std::vector<int64_t>>(),
                                               t[3].cast<std::vector<double>>(), py::none()));
  return call;
}

class BoundPlan {
 public:
  BoundPlan(int64_t arena_bytes, int slots)
      : plan_(checked(arena_bytes)),
        slots_(static_cast<int>(checked(slots))),
        bytes_(arena_bytes) {}
  void add(const std::string& op, const py::list& in, const py::list& out,
           std::vector<int64_t> ints, std::vector<double> numbers, const py::object& tail) {
    const Call call = checked(read_call(in, out, std::move(ints), std::move(numbers), tail));
    Step step = make_step(op, call);
    if (!step) throw py::value_error("plan: no native step for this call of " + op);
    plan_.add(std::move(step));
  }
  // Has the positions of a call, which are an input, looked at before the first step; does nothing
  // for calls without.
  void add_check(const std::string& op, const py::list& in, const py::list& out,
                 std::vector<int64_t> ints, std::vector<double> numbers, const py::object& tail) {
    const Call call = checked(read_call(in, out, std::move(ints), std::move(numbers), tail));
    if (Step check = make_check(op, call)) plan_.add_check(std::move(check));
  }
  void add_optimizer(const std::shared_ptr<BoundOptimizer>& optimizer) {
    plan_.add([optimizer](Slots) { optimizer->run(); });
  }
  // The arrays of the slots from 1 on: an array that is the same in every run, the number of an
  // input, or the (array type number, shape) of a result that each run makes.
  void set_slots(const py::list& sources) {
    if (PyList_GET_SIZE(sources.ptr()) + 1 != slots_)
      throw py::value_error("plan: expected " + std::to_string(slots_ - 1) + " slots");
    base_.assign(static_cast<size_t>(slots_), nullptr);
    base_[0] = plan_.arena();
    for (int i = 1; i < slots_; ++i) {
      const py::handle source = PyList_GET_ITEM(sources.ptr(), i - 1);
      if (PyArray_Check(source.ptr())) {
        kept_.push_back(py::reinterpret_borrow<Array>(source));
        base_[static_cast<size_t>(i)] = kept_.back().data<char>();
      } else if (py::isinstance<py::int_>(source)) {
        inputs_.push_back({i, source.cast<Py_ssize_t>()});
      } else {
        const py::tuple layout = source.cast<py::tuple>(), shape = layout[1];
        Result result = {i, layout[0].cast<int>(), {}};
        for (const py::handle n : shape) result.shape.push_back(n.cast<npy_intp>());
        results_.push_back(result);
      }
    }
  }
  // Runs the steps from `begin` on with these inputs; the results are lists of new arrays. With
  // `arrays`, runs the steps [begin, end) on results made before, in that list.
  py::list run(const py::list& inputs, int64_t begin) {
    py::list results;
    for (const Result& r : results_)
      results.append(new_array(r.typenum, static_cast<int>(r.shape.size()), r.shape.data()));
    run_part(begin, plan_.size(), inputs, results, nullptr);
    return results;
  }
  // `seconds`: null, or float64, an element a step of the plan, to which its time is added.
  void run_part(int64_t begin, int64_t end, const py::list& inputs, const py::list& results,
                double* seconds) {
    if (begin < 0 || end > plan_.size() ||
        static_cast<size_t>(PyList_GET_SIZE(results.ptr())) != results_.size())
      throw py::value_error("plan: no such part");
    for (const auto& [slot, number] : inputs_) set_base(slot, inputs, number);
    for (size_t i = 0; i < results_.size(); ++i)
      set_base(results_[i].slot, results, static_cast<Py_ssize_t>(i));
    const py::gil_scoped_release released;
    plan_.run(begin, end, base_.data(), seconds);
  }
  int64_t size() const { return plan_.size(); }

  static py::object arena(const py::object& self) {
    const BoundPlan& plan = self.cast<const BoundPlan&>();
    npy_intp bytes = plan.bytes_;
    PyObject* const a = PyArray_New(&PyArray_Type, 1, &bytes, NPY_UINT8, nullptr,
                                    plan.plan_.arena(), 1, NPY_ARRAY_CARRAY, nullptr);
    if (!a) throw py::error_already_set();
    const py::object array = py::reinterpret_steal<py::object>(a);
    if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(a), self.inc_ref().ptr()) < 0)
      throw py::error_already_set();
    return array;
  }

 private:
  struct Result {
    int slot, typenum;
    std::vector<npy_intp> shape;
  };

  void set_base(int slot, const py::list& arrays, Py_ssize_t number) {
    if (number < 0 || number >= PyList_GET_SIZE(arrays.ptr()))
      throw py::index_error("plan: no array " + std::to_string(number));
    PyObject* const a = PyList_GET_ITEM(arrays.ptr(), number);
    if (!PyArray_Check(a)) throw py::type_error("plan: expected arrays");
    base_[static_cast<size_t>(slot)] =
        static_cast<char*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(a)));
  }
  // Raises IndexError unless all operands lie in slots.
  Call checked(Call call) const {
    for (const Call* c : {static_cast<const Call*>(&call), call.tail.get()}) {
      if (!c) continue;
      for (const std::vector<Operand>* side : {&c->in, &c->out})
        for (const Operand& o : *side)
          if (!o.missing() && (o.slot < 0 || o.slot >= slots_))
            throw py::index_error("plan: no slot " + std::to_string(o.slot));
    }
    return call;
  }
  static int64_t checked(int64_t size) {
    if (size < 0) throw py::value_error("plan: expected a size of at least 0");
    return size;
  }

  Plan plan_;
  int slots_;  // the arena's included
  int64_t bytes_;
  std::vector<char*> base_;
  std::vector<Array> kept_;
  std::vector<std::pair<int, Py_ssize_t>> inputs_;
  std::vector<Result> results_;
};

// The arrays of the tensors in `args`, which must be of the type `kind`, off the tape, C-contiguous
// and of the layouts of the arrays in `like`; None where one is not. A list or None.
PyObject* matching_arrays(PyObject*, PyObject* const* inputs, Py_ssize_t count) {
  static PyObject* const array_name = PyUnicode_InternFromString("_array");
  static PyObject* const node_name = PyUnicode_InternFromString("_node");
  if (count != 3 || !PyTuple_Check(inputs[0]) || !PyTuple_Check(inputs[1])) {
    PyErr_SetString(PyExc_TypeError, "matching_arrays: expected two tuples and a type");
    return nullptr;
  }
  PyObject *const args = inputs[0], *const like = inputs[1];
  const Py_ssize_t n = PyTuple_GET_SIZE(args);
  if (n != PyTuple_GET_SIZE(like)) Py_RETURN_NONE;
  py::object list = py::reinterpret_steal<py::object>(PyList_New(n));
  if (!list) return nullptr;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* const x = PyTuple_GET_ITEM(args, i);
    if (reinterpret_cast<PyObject*>(Py_TYPE(x)) != inputs[2]) Py_RETURN_NONE;
    const py::object node = py::reinterpret_steal<py::object>(PyObject_GetAttr(x, node_name));
    const py::object array = py::reinterpret_steal<py::object>(PyObject_GetAttr(x, array_name));
    if (!node || !array) {
      PyErr_Clear();
      Py_RETURN_NONE;
    }
    if (!node.is_none() || !PyArray_Check(array.ptr()) || !PyArray_Check(PyTuple_GET_ITEM(like, i)))
      Py_RETURN_NONE;
    PyArrayObject* const a = reinterpret_cast<PyArrayObject*>(array.ptr());
    PyArrayObject* const b = reinterpret_cast<PyArrayObject*>(PyTuple_GET_ITEM(like, i));
    if (PyArray_TYPE(a) != PyArray_TYPE(b) || !PyArray_IS_C_CONTIGUOUS(a) || !same_shape(a, b))
      Py_RETURN_NONE;
    PyList_SET_ITEM(list.ptr(), i, array.inc_ref().ptr());
  }
  return list.release().ptr();
}

PyMethodDef matching = {
    "matching_arrays",
    reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&matching_arrays)), METH_FASTCALL,
    nullptr};

bool takes(const std::string& op, const py::list& in, const py::list& out,
           std::vector<int64_t> ints, std::vector<double> numbers, const py::object& tail) {
  return static_cast<bool>(
      make_step(op, read_call(in, out, std::move(ints), std::move(numbers), tail)));
}

// (form, size) of what a native step of this call can be handed: see Ready.
std::pair<int64_t, int64_t> ready(const std::string& op, const py::list& in, const py::list& out,
                                  std::vector<int64_t> ints, std::vector<double> numbers) {
  const Call call = read_call(in, out, std::move(ints), std::move(numbers), py::none());
  if (!make_step(op, call)) return {};
  const Ready found = ready_weights(op, call);
  return {found.form, found.size};
}

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<BoundPlan>(m, "Plan")
      .def(py::init<int64_t, int>(), py::arg("arena_bytes"), py::arg("slots"))
      .def("add", &BoundPlan::add)
      .def("add_check", &BoundPlan::add_check)
      .def("add_optimizer", &BoundPlan::add_optimizer)
      .def("set_slots", &BoundPlan::set_slots)
      .def("run", &BoundPlan::run)
      .def("run_part",
           [](BoundPlan& self, int64_t begin, int64_t end, const py::list& inputs,
              const py::list& results, const std::optional<Array>& seconds) {
             if (seconds && (seconds->typenum() != NPY_DOUBLE || !seconds->contiguous() ||
                             seconds->size() != self.size()))
               throw py::value_error("plan: expected a float64 for each step");
             self.run_part(begin, end, inputs, results,
                           seconds ? seconds->data<double>() : nullptr);
           })
      .def("arena", [](const py::object& self) { return BoundPlan::arena(self); })
      .def("__len__", &BoundPlan::size);
  m.def("plan_takes", &takes);
  m.def("plan_ready", &ready);
  m.attr("matching_arrays") = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&matching, nullptr, m.attr("__name__").ptr()));
  py::dict opcodes, domains, dtypes;
  static const char* const names[] = {"any", "real", "test", "choice", "cast"};
  for (int i = 0; i < kOpcodes; ++i) {
    opcodes[kOps[i].name] = i;
    domains[kOps[i].name] = names[static_cast<int>(kOps[i].domain)];
  }
  m.attr("opcodes") = opcodes;
  m.attr("domains") = domains;
  for (const int t : {NPY_FLOAT, NPY_DOUBLE, NPY_INT64, NPY_INT, NPY_UBYTE, NPY_BOOL})
    dtypes[py::str(dtype_name(t))] = dtype_of(t);
  m.attr("dtypes") = dtypes;
}

}  // namespace pag
