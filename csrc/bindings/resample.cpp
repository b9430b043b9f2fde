#include "kernels/resample.h"

#include <algorithm>

#include "bindings/common.h"

namespace pag {
namespace {

// (begin, weights, ...) of the outputs along one dimension of that size, or () for the identity;
// what follows is the way back, which belongs to another call.
struct TableArrays {
  TableArrays(const char* name, const py::tuple& arrays, int64_t size) : outputs(size) {
    const auto refuse = [&](const std::string& what) {
      throw py::value_error(std::string("resample2d: ") + name + ": " + what);
    };
    if (arrays.empty()) return;
    if (arrays.size() < 2) refuse("expected a tuple (begin, weights, ...)");
    for (size_t i = 0; i < 2; ++i) {
      if (!PyArray_Check(arrays[i].ptr())) refuse("expected arrays");
      const Array a = py::reinterpret_borrow<Array>(arrays[i]);
      const bool right = i == 0 ? dtype_of(a.typenum()) == kI64 : a.typenum() == NPY_DOUBLE;
      if (!right || a.ndim() != 1) refuse("expected int64 and float64 arrays of one dimension");
      keep[i] = contiguous(a);
    }
    const int64_t count = outputs = keep[0].size(), taps = count ? keep[1].size() / count : 0;
    if (taps * count != keep[1].size() || (count && !taps))
      refuse(std::to_string(keep[1].size()) + " weights for " + std::to_string(count) + " outputs");
    table = {count, taps, keep[0].data<const int64_t>(), keep[1].data<const double>()};
    for (int64_t i = 0; i < count; ++i) {
      if (table.begin[i] < (i ? table.begin[i - 1] : 0) || table.begin[i] >= size)
        refuse("inputs from " + std::to_string(table.begin[i]) + " on, in size " +
               std::to_string(size));
      for (int64_t t = std::max<int64_t>(0, size - table.begin[i]); t < taps; ++t)
        if (table.weight[i * taps + t] != 0) refuse("weights of inputs beyond the end");
    }
    given = &table;
  }
  TableArrays(const TableArrays&) = delete;
  TableArrays& operator=(const TableArrays&) = delete;

  Array keep[2];
  ResampleTable table;
  const ResampleTable* given = nullptr;
  int64_t outputs;
};

// x (N, C, H, W) -> (N, C, rows, columns).
Array resample2d_binding(const Array& input, const py::tuple& rows, const py::tuple& columns) {
  const char* op = "resample2d";
  const bool single = check_float(op, {&input});
  check_ndim(op, "input", input, 4);
  const int64_t height = input.shape(2), width = input.shape(3);
  const TableArrays r("rows", rows, height), c("columns", columns, width);
  if (std::max({height, width, r.outputs, c.outputs}) >= kPairLimit)
    throw py::value_error("resample2d: sizes of 2^31 or more, in input " + shape_string(input));
  const Array x = contiguous(input);
  Array out = new_array(x.typenum(), {x.shape(0), x.shape(1), r.outputs, c.outputs});
  KernelScope scope(std::max(x.size(), out.size()));
  with_float(single, [&](auto t) {
    using T = decltype(t);
    if (out.size())
      resample2d(x.data<const T>(), x.shape(0) * x.shape(1), height, width, r.given, c.given,
                 out.data<T>());
  });
  return out;
}

}  // namespace

void bind_resample(py::module_& m) { m.def("resample2d", &resample2d_binding); }

}  // namespace pag
