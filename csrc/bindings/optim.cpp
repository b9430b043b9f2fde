// Optimiser steps, in place. Everything is checked before anything is written.
#include "kernels/optim.h"

#include "bindings/common.h"

namespace pag {
namespace {

// `state`: an array that is read or written beside the parameter, or null.
void check_state(const char* op, const char* name, const Array& p, const Array& state,
                 bool written) {
  if (state.typenum() != p.typenum())
    throw py::type_error(std::string(op) + ": the parameter is " + dtype_name(p.typenum()) + ", " +
                         name + " is " + dtype_name(state.typenum()));
  bool same = state.ndim() == p.ndim();
  for (int d = 0; d < p.ndim() && same; ++d) same = state.shape(d) == p.shape(d);
  if (!same)
    throw py::value_error(std::string(op) + ": the parameter has shape " + shape_string(p) + ", " +
                          name + " has " + shape_string(state));
  if (!written) return;
  if (!state.contiguous() || !PyArray_ISBEHAVED(state.array()))
    throw py::value_error(std::string(op) + ": " + name + " must be contiguous and writeable");
}

Array optional(const py::object& o) {
  if (o.is_none()) return py::reinterpret_steal<Array>(nullptr);
  if (!PyArray_Check(o.ptr()))
    throw py::type_error("expected an array or None, got " +
                         std::string(Py_TYPE(o.ptr())->tp_name));
  return py::reinterpret_borrow<Array>(o);
}

template <class T>
T* data_or_null(const Array& a) {
  return a.ptr() ? a.data<T>() : nullptr;
}

void sgd(const Array& p, const Array& gradient, const py::object& buffer_in, double lr,
         double momentum, double dampening, double weight_decay, bool nesterov, bool maximize,
         bool first) {
  const bool single = check_float("sgd_step", {&p});
  const Array buffer = optional(buffer_in);
  check_state("sgd_step", "the parameter", p, p, true);
  check_state("sgd_step", "the gradient", p, gradient, false);
  if (buffer.ptr()) check_state("sgd_step", "the momentum", p, buffer, true);
  const Array g = contiguous(gradient);
  const Sgd h = {lr, momentum, dampening, weight_decay, nesterov, maximize, first};
  KernelScope scope(p.size());
  if (single)
    sgd_step(h, p.size(), p.data<float>(), g.data<const float>(), data_or_null<float>(buffer));
  else
    sgd_step(h, p.size(), p.data<double>(), g.data<const double>(), data_or_null<double>(buffer));
}

template <class T>
void run_adam(const Adam& h, const Array& p, const Array& g, const Array& m, const Array& v,
              const Array& largest) {
  adam_step(h, p.size(), p.data<T>(), g.data<const T>(), m.data<T>(), v.data<T>(),
            data_or_null<T>(largest));
}

void adam(const Array& p, const Array& gradient, const Array& exp_avg, const Array& exp_avg_sq,
          const py::object& max_exp_avg_sq, double lr, double beta1, double beta2, double eps,
          double weight_decay, int64_t step, bool decoupled, bool maximize) {
  const bool single = check_float("adam_step", {&p});
  const Array largest = optional(max_exp_avg_sq);
  check_state("adam_step", "the parameter", p, p, true);
  check_state("adam_step", "the gradient", p, gradient, false);
  check_state("adam_step", "exp_avg", p, exp_avg, true);
  check_state("adam_step", "exp_avg_sq", p, exp_avg_sq, true);
  if (largest.ptr()) check_state("adam_step", "max_exp_avg_sq", p, largest, true);
  if (step < 1) throw py::value_error("adam_step: steps count from 1, got " + std::to_string(step));
  const Array g = contiguous(gradient);
  const Adam h = {lr, beta1, beta2, eps, weight_decay, step, decoupled, maximize};
  KernelScope scope(p.size());
  if (single)
    run_adam<float>(h, p, g, exp_avg, exp_avg_sq, largest);
  else
    run_adam<double>(h, p, g, exp_avg, exp_avg_sq, largest);
}

}  // namespace

void bind_optim(py::module_& m) {
  m.def("sgd_step", &sgd);
  m.def("adam_step", &adam);
}

}  // namespace pag
