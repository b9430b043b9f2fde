#include "kernels/cross_entropy.h"

#include <vector>

#include "bindings/common.h"

namespace pag {
namespace {

// x (N, C, ...) and its classes (N, ...).
struct Samples {
  Samples(const char* op, const Array& input, const Array& target, const py::object& weights)
      : single(check_float(op, {&input})) {
    const int typenum = target.typenum(), dtype = dtype_of(typenum);
    if (dtype < 0 || dtype == kF32 || dtype == kF64 || typenum == NPY_BOOL)
      throw py::type_error(std::string(op) + ": expected class numbers of an integer dtype, got " +
                           dtype_name(typenum));
    if (input.ndim() < 2)
      throw py::value_error(std::string(op) + ": expected input (N, C, ...), got shape " +
                            shape_string(input));
    const Split split = split_at(op, input, 1);
    shape.assign(input.shape(), input.shape() + input.ndim());
    shape.erase(shape.begin() + 1);
    x = contiguous(input);
    check_shape(op, "a target", target);
    classes = cast(target, NPY_INT64);
    weight = optional_vector(op, "weight", weights, x, split.n);
    sizes = {split.outer, split.n, split.inner, classes.data<const int64_t>(), 0, 0.0, 1.0};
  }
  void check_shape(const char* op, const char* what, const Array& a) const {
    if (a.ndim() != ndim() || !PyArray_CompareLists(a.shape(), shape.data(), a.ndim()))
      throw py::value_error(std::string(op) + ": expected " + what + " of shape " +
                            shape_string(ndim(), shape.data()) + " for input " + shape_string(x) +
                            ", got " + shape_string(a));
  }
  int ndim() const { return static_cast<int>(shape.size()); }

  bool single;
  std::vector<npy_intp> shape;  // of the target
  Array x, classes, weight;
  CrossEntropy sizes;
};

template <class T>
bool run_forward(CrossEntropy h, bool mean, const Samples& s, T* stats, T* losses, T* reduced) {
  const T* weight = s.weight.data_or_null<const T>();
  if (mean) h.divisor = sum_of_weights(h.classes, s.classes.size(), h.ignore_index, weight);
  double sum;
  if (!cross_entropy(h, s.x.data<const T>(), weight, stats, losses, &sum)) return false;
  // The losses are divided already; without a sample that counts, their mean is NaN.
  if (reduced) *reduced = static_cast<T>(h.divisor == 0 ? sum / h.divisor : sum);
  return true;
}

// -> (loss, stats (kCrossEntropyStats, N, ...))
py::tuple forward(const Array& input, const Array& target, const py::object& weight,
                  int64_t ignore_index, const std::string& reduction, double smoothing) {
  const char* op = "cross_entropy";
  const bool mean = reduction == "mean", none = reduction == "none";
  if (!mean && !none && reduction != "sum")
    throw py::value_error("cross_entropy: reduction is mean, sum or none, got '" + reduction + "'");
  const Samples s(op, input, target, weight);
  CrossEntropy h = s.sizes;
  h.ignore_index = ignore_index;
  h.smoothing = smoothing;
  const int64_t bad = find_bad_class(h.classes, s.classes.size(), h.n, ignore_index);
  if (bad >= 0)
    throw py::index_error("cross_entropy: class " + std::to_string(h.classes[bad]) +
                          " is out of range for " + std::to_string(h.n) + " classes");
  std::vector<npy_intp> shape = s.shape;
  const Array loss = new_array(s.x.typenum(), none ? s.ndim() : 0, shape.data());
  shape.insert(shape.begin(), kCrossEntropyStats);
  const Array stats = new_array(s.x.typenum(), s.ndim() + 1, shape.data());
  bool done;
  {
    KernelScope scope(s.x.size());
    done = with_float(s.single, [&](auto t) {
      using T = decltype(t);
      return run_forward(h, mean, s, stats.data<T>(), none ? loss.data<T>() : nullptr,
                         none ? nullptr : loss.data<T>());
    });
  }
  if (!done) throw std::bad_alloc();
  return py::make_tuple(loss, stats);
}

// gradient: an array () for all samples, or (N, ...); None counts as 1.
Array grad(const py::object& gradient, const Array& input, const Array& target,
           const py::object& weight, const Array& stats_in) {
  const char* op = "cross_entropy_grad";
  const Samples s(op, input, target, weight);
  check_float(op, {&input, &stats_in});
  if (stats_in.ndim() != s.ndim() + 1 || stats_in.size() != kCrossEntropyStats * s.classes.size())
    throw py::value_error(std::string(op) + ": stats of shape " + shape_string(stats_in) +
                          " do not belong to input " + shape_string(input));
  Array g = optional_array(op, "the gradient", gradient);
  if (g.ptr()) {
    check_float(op, {&input, &g});
    if (g.ndim()) s.check_shape(op, "a gradient", g);
    g = contiguous(g);
  }
  const Array stats = contiguous(stats_in);
  const Array out = new_array(s.x.typenum(), s.x.ndim(), s.x.shape());
  KernelScope scope(s.x.size());
  with_float(s.single, [&](auto t) {
    using T = decltype(t);
    const T one = 1;
    cross_entropy_grad(s.sizes, g.ptr() ? g.data<const T>() : &one, g.ptr() && g.ndim() ? 1 : 0,
                       s.x.data<const T>(), s.weight.data_or_null<const T>(), stats.data<const T>(),
                       out.data<T>());
  });
  return out;
}

}  // namespace

void bind_cross_entropy(py::module_& m) {
  m.def("cross_entropy", &forward);
  m.def("cross_entropy_grad", &grad);
}

}  // namespace pag
