// The machine's limits: see benchmarks/.
#include "kernels/limits.h"

#include "bindings/common.h"

namespace pag {
namespace {

void fma(int64_t operations, bool single) {
  if (operations < 0) throw py::value_error("limits: expected operations >= 0");
  const KernelScope scope(operations);
  with_float(single, [&](auto t) { run_fma<decltype(t)>(operations); });
}

void copy(const Array& to, const Array& from) {
  const bool fits = to.typenum() == NPY_UINT8 && from.typenum() == NPY_UINT8 && to.contiguous() &&
                    from.contiguous() && to.size() == from.size() &&
                    PyArray_ISWRITEABLE(to.array());
  if (!fits) throw py::value_error("limits: expected two contiguous uint8 arrays of one size");
  const KernelScope scope(to.size());
  copy_bytes(to.data(), from.data(), to.size());
}

}  // namespace

void bind_limits(py::module_& m) {
  m.def("run_fma", &fma);
  m.def("copy_bytes", &copy);
}

}  // namespace pag
