// The plans of static graphs: Python adds calls of ops, with operands by slot and offset, and runs
// them with the arrays of its slots.
#include "exec/plan.h"

#include <pybind11/stl.h>

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

Call read_call(const py::list& in, const py::list& out, std::vector<int64_t> ints,
               std::vector<double> numbers) {
  Call call;
  for (const py::handle h : in) call.in.push_back(read_operand(h));
  for (const py::handle h : out) call.out.push_back(read_operand(h));
  if (call.out.empty()) throw py::value_error("plan: a call without outputs");
  call.ints = std::move(ints);
  call.numbers = std::move(numbers);
  return call;
}

class BoundPlan {
 public:
  BoundPlan(int64_t arena_bytes, int slots)
      : plan_(checked(arena_bytes)), slots_(static_cast<int>(checked(slots))), bytes_(arena_bytes) {}
  void add(const std::string& op, const py::list& in, const py::list& out,
           std::vector<int64_t> ints, std::vector<double> numbers) {
    const Call call = read_call(in, out, std::move(ints), std::move(numbers));
    for (const std::vector<Operand>* side : {&call.in, &call.out})
      for (const Operand& o : *side)
        if (!o.missing() && (o.slot < 0 || o.slot >= slots_))
          throw py::index_error("plan: no slot " + std::to_string(o.slot));
    Step step = make_step(op, call);
    if (!step) throw py::value_error("plan: no native step for this call of " + op);
    plan_.add(std::move(step));
  }
  void add_optimizer(const std::shared_ptr<BoundOptimizer>& optimizer) {
    plan_.add([optimizer](Slots) { optimizer->run(); });
  }
  // Runs the steps [begin, end); arrays: those of the slots from 1 on.
  void run(int64_t begin, int64_t end, const py::list& arrays) {
    char* slots[kMostSlots];
    std::vector<char*> many;
    char** at = slots;
    if (slots_ > kMostSlots) {
      many.resize(static_cast<size_t>(slots_));
      at = many.data();
    }
    if (begin < 0 || end > plan_.size() || PyList_GET_SIZE(arrays.ptr()) + 1 != slots_)
      throw py::value_error("plan: expected " + std::to_string(slots_ - 1) + " arrays");
    at[0] = plan_.arena();
    for (int i = 1; i < slots_; ++i) {
      PyObject* const a = PyList_GET_ITEM(arrays.ptr(), i - 1);
      if (!PyArray_Check(a)) throw py::type_error("plan: expected arrays");
      at[i] = static_cast<char*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(a)));
    }
    try {
      const py::gil_scoped_release released;
      plan_.run(begin, end, at);
    } catch (const IndexError& e) {
      throw py::index_error(e.message);
    }
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
  static constexpr int kMostSlots = 64;
  static int64_t checked(int64_t size) {
    if (size < 0) throw py::value_error("plan: expected a size of at least 0");
    return size;
  }

  Plan plan_;
  int slots_;  // the arena's included
  int64_t bytes_;
};

bool takes(const std::string& op, const py::list& in, const py::list& out,
           std::vector<int64_t> ints, std::vector<double> numbers) {
  return static_cast<bool>(
      make_step(op, read_call(in, out, std::move(ints), std::move(numbers))));
}

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<BoundPlan>(m, "Plan")
      .def(py::init<int64_t, int>(), py::arg("arena_bytes"), py::arg("slots"))
      .def("add", &BoundPlan::add)
      .def("add_optimizer", &BoundPlan::add_optimizer)
      .def("run", &BoundPlan::run)
      .def("arena", [](const py::object& self) { return BoundPlan::arena(self); })
      .def("__len__", &BoundPlan::size);
  m.def("plan_takes", &takes);
  static const char* const names[] = {
#define UNARY(name, domain, expression) #name,
#define BINARY UNARY
#define TERNARY UNARY
#include "isa/opcodes.def"
#undef UNARY
#undef BINARY
#undef TERNARY
  };
  py::dict opcodes;
  for (int i = 0; i < kOpcodes; ++i) opcodes[names[i]] = i;
  m.attr("opcodes") = opcodes;
}

}  // namespace pag
