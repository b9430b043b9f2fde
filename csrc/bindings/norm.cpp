#include "kernels/norm.h"

#include "bindings/common.h"

namespace pag {
namespace {

using View = std::tuple<int64_t, int64_t, int64_t>;

NormShape checked_shape(const char* op, const Array& x, const View& view, int64_t groups,
                        bool centred) {
  const auto [outer, channels, inner] = view;
  int64_t product;
  if (outer < 0 || channels < 0 || inner < 0 || __builtin_mul_overflow(outer, channels, &product) ||
      __builtin_mul_overflow(product, inner, &product) || product != x.size())
    throw py::value_error(std::string(op) + ": shape " + shape_string(x) + " is no (" +
                          std::to_string(outer) + ", " + std::to_string(channels) + ", " +
                          std::to_string(inner) + ")");
  if (groups < 0 || (groups && channels % groups))
    throw py::value_error(std::string(op) + ": " + std::to_string(channels) +
                          " channels do not make " + std::to_string(groups) + " groups");
  return {outer, channels, inner, groups, centred};
}

// y; mean and var are filled, unless they are known.
Array run_normalize(const char* op, const NormShape& shape, const Array& x,
                    const py::object& weight_in, const py::object& bias_in, const Array& mean,
                    const Array& var, double eps) {
  const Array weight = optional_vector(op, "the weight", weight_in, x, shape.channels),
              bias = optional_vector(op, "the bias", bias_in, x, shape.channels);
  if (bias.ptr() && !weight.ptr())
    throw py::value_error(std::string(op) + ": a bias without a weight");
  const Array y = new_array(x.typenum(), x.ndim(), x.shape());
  bool done;
  {
    KernelScope scope(x.size());
    done = with_float(x.typenum() == NPY_FLOAT, [&](auto t) {
      using T = decltype(t);
      return normalize(shape, eps, x.data<const T>(), weight.data_or_null<const T>(),
                       bias.data_or_null<const T>(), y.data<T>(), mean.data<T>(), var.data<T>());
    });
  }
  if (!done) throw std::bad_alloc();
  return y;
}

// (x - mean) / sqrt(var + eps) * weight + bias, mean and var (biased), one for each channel or,
// with groups, for each (outer, group).
py::tuple normalize_array(const Array& input, const py::object& weight, const py::object& bias,
                          const View& view, int64_t groups, double eps, bool centred) {
  const char* op = "normalize";
  check_float(op, {&input});
  const NormShape shape = checked_shape(op, input, view, groups, centred);
  const Array x = contiguous(input), mean = new_array(x.typenum(), {shape.statistics()}),
              var = new_array(x.typenum(), {shape.statistics()});
  const Array y = run_normalize(op, shape, x, weight, bias, mean, var, eps);
  return py::make_tuple(y, mean, var);
}

// The first result of that again, from the second and the third, which are taken by channel.
Array normalize_as_array(const Array& input, const py::object& weight, const py::object& bias,
                         const Array& mean_in, const Array& var_in, const View& view, double eps,
                         bool centred) {
  const char* op = "normalize_as";
  check_float(op, {&input, &mean_in, &var_in});
  NormShape shape = checked_shape(op, input, view, 0, centred);
  shape.known = true;
  const Array x = contiguous(input),
              mean = optional_vector(op, "the mean", mean_in, x, shape.channels),
              var = optional_vector(op, "the variance", var_in, x, shape.channels);
  return run_normalize(op, shape, x, weight, bias, mean, var, eps);
}

// The gradient of x; with a weight, a flat array of it and those of weight and bias.
Array normalize_grad_array(const Array& gradient, const Array& input, const py::object& weight_in,
                           const Array& mean_in, const Array& var_in, const View& view,
                           int64_t groups, double eps, bool centred) {
  const char* op = "normalize_grad";
  const bool single = check_float(op, {&gradient, &input, &mean_in, &var_in});
  const NormShape shape = checked_shape(op, input, view, groups, centred);
  if (gradient.size() != input.size() || mean_in.size() != shape.statistics() ||
      var_in.size() != shape.statistics())
    throw py::value_error("normalize_grad: gradient " + shape_string(gradient) + ", mean " +
                          shape_string(mean_in) + " and var " + shape_string(var_in) +
                          " do not fit input " + shape_string(input));
  const Array g = contiguous(gradient), x = contiguous(input), mean = contiguous(mean_in),
              var = contiguous(var_in),
              weight = optional_vector(op, "the weight", weight_in, x, shape.channels);
  const Array out = weight.ptr() ? new_array(x.typenum(), {x.size() + 2 * shape.channels})
                                 : new_array(x.typenum(), x.ndim(), x.shape());
  bool done;
  {
    KernelScope scope(x.size());
    done = with_float(single, [&](auto t) {
      using T = decltype(t);
      T* const weight_sum = weight.ptr() ? out.data<T>() + x.size() : nullptr;
      return normalize_grad(shape, eps, g.data<const T>(), x.data<const T>(),
                            weight.data_or_null<const T>(), mean.data<const T>(),
                            var.data<const T>(), out.data<T>(), weight_sum,
                            weight_sum ? weight_sum + shape.channels : nullptr);
    });
  }
  if (!done) throw std::bad_alloc();
  return out;
}

}  // namespace

void bind_norm(py::module_& m) {
  m.def("normalize", &normalize_array);
  m.def("normalize_as", &normalize_as_array);
  m.def("normalize_grad", &normalize_grad_array);
}

}  // namespace pag
