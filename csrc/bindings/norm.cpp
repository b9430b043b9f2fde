#include "kernels/norm.h"

#include "bindings/common.h"

namespace pag {
namespace {

using View = std::tuple<int64_t, int64_t, int64_t>;

NormShape checked_view(const char* op, const Array& x, const View& view) {
  const auto [outer, channels, inner] = view;
  int64_t product;
  if (outer < 0 || channels < 0 || inner < 0 || __builtin_mul_overflow(outer, channels, &product) ||
      __builtin_mul_overflow(product, inner, &product) || product != x.size())
    throw py::value_error(std::string(op) + ": shape " + shape_string(x) + " is no (" +
                          std::to_string(outer) + ", " + std::to_string(channels) + ", " +
                          std::to_string(inner) + ")");
  return {outer, channels, inner};
}

// x -> ((x - mean) / sqrt(var + eps), mean (channels,), var (channels,) biased)
py::tuple normalize_array(const Array& input, const View& view, double eps) {
  const bool single = check_float("normalize", {&input});
  const NormShape shape = checked_view("normalize", input, view);
  const Array x = contiguous(input);
  const Array y = new_array(x.typenum(), x.ndim(), x.shape());
  const Array mean = new_array(x.typenum(), {shape.channels});
  const Array var = new_array(x.typenum(), {shape.channels});
  bool done;
  {
    KernelScope scope(x.size());
    done = with_float(single, [&](auto t) {
      using T = decltype(t);
      return normalize(shape, eps, x.data<const T>(), y.data<T>(), mean.data<T>(), var.data<T>());
    });
  }
  if (!done) throw std::bad_alloc();
  return py::make_tuple(y, mean, var);
}

Array normalize_grad_array(const Array& gradient, const Array& input, const Array& mean_in,
                           const Array& var_in, const View& view, double eps) {
  const bool single = check_float("normalize_grad", {&gradient, &input, &mean_in, &var_in});
  const NormShape shape = checked_view("normalize_grad", input, view);
  if (gradient.size() != input.size() || mean_in.size() != shape.channels ||
      var_in.size() != shape.channels)
    throw py::value_error("normalize_grad: gradient " + shape_string(gradient) + ", mean " +
                          shape_string(mean_in) + " and var " + shape_string(var_in) +
                          " do not fit input " + shape_string(input));
  const Array g = contiguous(gradient), x = contiguous(input), mean = contiguous(mean_in),
              var = contiguous(var_in);
  const Array out = new_array(x.typenum(), x.ndim(), x.shape());
  bool done;
  {
    KernelScope scope(x.size());
    done = with_float(single, [&](auto t) {
      using T = decltype(t);
      return normalize_grad(shape, eps, g.data<const T>(), x.data<const T>(), mean.data<const T>(),
                            var.data<const T>(), out.data<T>());
    });
  }
  if (!done) throw std::bad_alloc();
  return out;
}

}  // namespace

void bind_norm(py::module_& m) {
  m.def("normalize", &normalize_array);
  m.def("normalize_grad", &normalize_grad_array);
}

}  // namespace pag
