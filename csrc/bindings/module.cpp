#define PYAUTOGRAD_IMPORT_NUMPY
#include "bindings/common.h"
#include "kernels/denormals.h"
#include "kernels/index.h"
#include "kernels/parallel.h"

// Kernels share nothing but atomics, so that a Python without the GIL need not bring it back.
PYBIND11_MODULE(_C, m, pybind11::mod_gil_not_used()) {
  if (_import_array() < 0) throw pybind11::error_already_set();
  // Elements of tuples that do not convert; pybind11 would make a RuntimeError of it.
  pybind11::register_local_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const pybind11::cast_error&) {
      PyErr_SetString(PyExc_TypeError, "expected integers of at most 64 bits as sizes");
    } catch (const pag::IndexError& error) {
      PyErr_SetString(PyExc_IndexError, error.message.c_str());
    }
  });
  m.def("num_threads", &pag::num_threads);
  m.def("set_num_threads", &pag::set_num_threads);
  m.def("flush_denormals", &pag::flushes_denormals);
  m.def("set_flush_denormals", &pag::flush_denormals);
  m.def("build", [] {
    pybind11::dict build;
    build["compiler"] = PAG_COMPILER;
    build["flags"] = PAG_FLAGS;
    build["type"] = PAG_BUILD_TYPE;
    build["architecture"] = PAG_ARCHITECTURE;
    return build;
  });
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
  pag::bind_memory(m);
  pag::bind_elementwise(m);
  pag::bind_reduce(m);
  pag::bind_view(m);
  pag::bind_unfold(m);
  pag::bind_norm(m);
  pag::bind_optim(m);
  pag::bind_order(m);
  pag::bind_softmax(m);
  pag::bind_cross_entropy(m);
  pag::bind_index(m);
  pag::bind_pool(m);
  pag::bind_resample(m);
  pag::bind_grid(m);
  pag::bind_matmul(m);
  pag::bind_conv(m);
  pag::bind_plan(m);
  pag::bind_move(m);
  pag::bind_limits(m);
}
