// Optimiser steps, in place: one call for all parameters of all groups. Everything is checked
// before anything is written.
#include "bindings/optim.h"

#include <algorithm>
#include <functional>

#include "kernels/optim.h"

namespace pag {
namespace {

double number(py::handle value) {
  const double x = PyFloat_AsDouble(value.ptr());
  if (x == -1.0 && PyErr_Occurred()) throw py::error_already_set();
  return x;
}

bool truth(py::handle value) {
  const int x = PyObject_IsTrue(value.ptr());
  if (x < 0) throw py::error_already_set();
  return x != 0;
}

// `a`: an array that is read or written beside the parameter p.
void check_like(const char* op, const char* name, const Array& p, const Array& a, bool written) {
  if (a.typenum() != p.typenum())
    throw py::type_error(std::string(op) + ": the parameter is " + dtype_name(p.typenum()) + ", " +
                         name + " is " + dtype_name(a.typenum()));
  check_same_shape(op, "the parameter", p, name, a);
  if (written && (!a.contiguous() || !PyArray_ISBEHAVED(a.array())))
    throw py::value_error(std::string(op) + ": " + name + " must be contiguous and writeable");
}

// A group of parameters: a tuple of lists with one item a parameter, the parameters first, and last
// a tuple of settings. None may stand for the lists numbered in `optional`.
class Group {
 public:
  Group(const char* op, py::handle parts, size_t length, std::initializer_list<size_t> optional,
        size_t settings)
      : op_(op), parts_(parts.cast<py::tuple>()) {
    if (parts_.size() != length || this->settings().size() != settings)
      throw py::value_error(std::string(op) + ": expected groups of " + std::to_string(length) +
                            " parts with " + std::to_string(settings) + " settings");
    for (size_t k = 0; k + 1 < length; ++k) {
      if (!has(k) && std::find(optional.begin(), optional.end(), k) != optional.end()) continue;
      if (!PyList_Check(list(k)))
        throw py::type_error(std::string(op) + ": expected lists with one item a parameter");
      if (PyList_GET_SIZE(list(k)) != PyList_GET_SIZE(list(0)))
        throw py::value_error(std::string(op) + ": expected one item a parameter");
    }
  }
  size_t size() const { return static_cast<size_t>(PyList_GET_SIZE(list(0))); }
  bool has(size_t part) const { return list(part) != Py_None; }
  py::handle item(size_t part, size_t i) const {
    PyObject* const found = PyList_GetItem(list(part), static_cast<Py_ssize_t>(i));
    if (!found) throw py::error_already_set();
    return found;
  }
  int64_t step(size_t part, size_t i) const {
    const int64_t number = item(part, i).cast<int64_t>();
    if (number < 1)
      throw py::value_error(std::string(op_) + ": steps count from 1, got " +
                            std::to_string(number));
    return number;
  }
  py::tuple settings() const { return parts_[parts_.size() - 1]; }

  Array parameter(size_t i) const {
    const Array p = array("the parameter", 0, i);
    check_float(op_, {&p});
    check_like(op_, "the parameter", p, p, true);
    return p;
  }
  Array gradient(const Array& p, size_t i) const {
    const Array g = array("the gradient", 1, i);
    check_like(op_, "the gradient", p, g, false);
    return contiguous(g);
  }
  Array state(const char* name, size_t part, const Array& p, size_t i) const {
    if (!has(part)) return Array();
    const Array a = array(name, part, i);
    check_like(op_, name, p, a, true);
    return a;
  }

 private:
  PyObject* list(size_t part) const {
    return PyTuple_GET_ITEM(parts_.ptr(), static_cast<Py_ssize_t>(part));
  }
  Array array(const char* name, size_t part, size_t i) const {
    const py::handle found = item(part, i);
    if (!PyArray_Check(found.ptr()))
      throw py::type_error(std::string(op_) + ": expected " + name + " as an array, got " +
                           Py_TYPE(found.ptr())->tp_name);
    return py::reinterpret_borrow<Array>(found);
  }

  const char* op_;
  py::tuple parts_;
};

// A step of all parameters, by dtype, and the gradients that it reads.
template <template <class> class Step>
class Steps : public OptimizerStep {
 public:
  // advance: makes of the step the one that follows it.
  template <class T, class Advance>
  void add(Step<T> step, const Array& p, const Array& g, Advance advance) {
    step.n = p.size();
    step.p = p.data<T>();
    step.g = g.data<const T>();
    std::vector<Step<T>>& steps = std::get<std::vector<Step<T>>>(steps_);
    advance_.push_back([&steps, advance, i = steps.size()]() mutable { advance(&steps[i]); });
    steps.push_back(step);
    gradients_.push_back(g);
    total_ += step.n;
  }
  int64_t total() const override { return total_; }
  void run() override {
    run_steps(std::get<0>(steps_));
    run_steps(std::get<1>(steps_));
  }
  void advance() override {
    for (auto& f : advance_) f();
  }

 private:
  std::tuple<std::vector<Step<float>>, std::vector<Step<double>>> steps_;
  std::vector<std::function<void()>> advance_;
  std::vector<Array> gradients_;
  int64_t total_ = 0;
};

// groups: (parameters, gradients, momentum or None, whether it holds nothing yet,
//          (lr, momentum, dampening, weight_decay, nesterov, maximize))
std::unique_ptr<OptimizerStep> sgd(const py::list& groups) {
  auto steps = std::make_unique<Steps<SgdStep>>();
  for (const py::handle parts : groups) {
    const Group group("sgd_step", parts, 5, {2}, 6);
    const py::tuple s = group.settings();
    const Sgd h = {number(s[0]), number(s[1]), number(s[2]),
                   number(s[3]), truth(s[4]),  truth(s[5])};
    for (size_t i = 0; i < group.size(); ++i) {
      const Array p = group.parameter(i), g = group.gradient(p, i),
                  buffer = group.state("the momentum", 2, p, i);
      const bool first = truth(group.item(3, i));
      with_float(p.typenum() == NPY_FLOAT, [&](auto t) {
        using T = decltype(t);
        SgdStep<T> step = sgd_settings<T>(h);
        step.buffer = buffer.data_or_null<T>();
        step.first = first;
        steps->add(step, p, g, [](SgdStep<T>* s) { s->first = false; });
      });
    }
  }
  return steps;
}

// groups: (parameters, gradients, exp_avg, exp_avg_sq, max_exp_avg_sq or None, steps from 1,
//          (lr, beta1, beta2, eps, weight_decay, decoupled, maximize))
std::unique_ptr<OptimizerStep> adam(const py::list& groups) {
  auto steps = std::make_unique<Steps<AdamStep>>();
  for (const py::handle parts : groups) {
    const Group group("adam_step", parts, 7, {4}, 7);
    const py::tuple s = group.settings();
    const Adam h = {number(s[0]), number(s[1]), number(s[2]), number(s[3]),
                    number(s[4]), truth(s[5]),  truth(s[6])};
    for (size_t i = 0; i < group.size(); ++i) {
      const Array p = group.parameter(i), g = group.gradient(p, i),
                  mean = group.state("exp_avg", 2, p, i),
                  square = group.state("exp_avg_sq", 3, p, i),
                  largest = group.state("max_exp_avg_sq", 4, p, i);
      const int64_t step_number = group.step(5, i);
      with_float(p.typenum() == NPY_FLOAT, [&](auto t) {
        using T = decltype(t);
        AdamStep<T> step = adam_settings<T>(h, step_number);
        step.exp_avg = mean.data<T>();
        step.exp_avg_sq = square.data<T>();
        step.max_exp_avg_sq = largest.data_or_null<T>();
        steps->add(step, p, g, [h, n = step_number](AdamStep<T>* s) mutable {
          const AdamStep<T> next = adam_settings<T>(h, ++n);
          s->rate = next.rate;
          s->correction = next.correction;
        });
      });
    }
  }
  return steps;
}

AdaptiveRule rule_of(const std::string& name) {
  const char* const names[] = {"rmsprop", "adagrad", "adadelta", "adamax"};
  for (int i = 0; i < 4; ++i)
    if (name == names[i]) return static_cast<AdaptiveRule>(i);
  throw py::value_error("adaptive_step: unknown rule '" + name + "'");
}

// groups: (parameters, gradients, size, mean or None, momentum or None, steps from 1,
//          (rule, lr, keep, momentum, eps, weight_decay, lr_decay, maximize))
std::unique_ptr<OptimizerStep> adaptive(const py::list& groups) {
  const char* op = "adaptive_step";
  auto steps = std::make_unique<Steps<AdaptiveStep>>();
  for (const py::handle parts : groups) {
    const Group group(op, parts, 7, {3, 4}, 8);
    const py::tuple s = group.settings();
    const Adaptive h = {rule_of(s[0].cast<std::string>()),
                        number(s[1]),
                        number(s[2]),
                        number(s[3]),
                        number(s[4]),
                        number(s[5]),
                        number(s[6]),
                        truth(s[7])};
    if ((h.rule == kAdadelta || h.rule == kAdamax) && !group.has(3))
      throw py::value_error("adaptive_step: this rule needs a mean");
    for (size_t i = 0; i < group.size(); ++i) {
      const Array p = group.parameter(i), g = group.gradient(p, i),
                  size = group.state("the running size", 2, p, i),
                  mean = group.state("the running mean", 3, p, i),
                  buffer = group.state("the momentum", 4, p, i);
      const int64_t step_number = group.step(5, i);
      with_float(p.typenum() == NPY_FLOAT, [&](auto t) {
        using T = decltype(t);
        AdaptiveStep<T> step = adaptive_settings<T>(h, step_number);
        step.size = size.data<T>();
        step.mean = mean.data_or_null<T>();
        step.buffer = buffer.data_or_null<T>();
        steps->add(step, p, g, [h, n = step_number](AdaptiveStep<T>* s) mutable {
          s->lr = adaptive_settings<T>(h, ++n).lr;
        });
      });
    }
  }
  return steps;
}

using Read = std::unique_ptr<OptimizerStep> (*)(const py::list&);

const std::pair<const char*, Read> kOptimizers[] = {
    {"sgd_step", sgd}, {"adam_step", adam}, {"adaptive_step", adaptive}};

}  // namespace

void BoundOptimizer::bind(const std::string& kernel, const py::list& groups) {
  for (const auto& [name, read] : kOptimizers)
    if (kernel == name) {
      step_ = read(groups);
      return;
    }
  throw py::value_error("no plan runs " + kernel);
}

void BoundOptimizer::run() {
  if (!step_) return;
  step_->run();
  step_->advance();
}

void bind_optim(py::module_& m) {
  for (const auto& [name, read] : kOptimizers)
    m.def(name, [read = read](const py::list& groups) {
      const std::unique_ptr<OptimizerStep> step = read(groups);
      const KernelScope scope(step->total());
      step->run();
    });
  py::class_<BoundOptimizer, std::shared_ptr<BoundOptimizer>>(m, "BoundOptimizer")
      .def(py::init<>())
      .def("bind", &BoundOptimizer::bind);
}

}  // namespace pag
