// Sums, softmax and its relatives, losses, normalisation, pooling.
#include "kernels/reduce.h"

#include <new>

#include "exec/program.h"
#include "kernels/cross_entropy.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/softmax.h"

namespace pag {
namespace {

struct Split {
  int64_t outer = 1, n = 1, inner = 1;
};

Split split_at(const Operand& o, int64_t dim) {
  Split s;
  for (int d = 0; d < o.ndim; ++d) (d < dim ? s.outer : d == dim ? s.n : s.inner) *= o.shape[d];
  return s;
}

}  // namespace

// ---- sums --------------------------------------------------------------------------------------

// ints: the dimensions, and whether they are kept; numbers: the factor
Step sum_step(const Call& call) {
  if (!call.plain()) return {};
  const Operand& x = call.in[0];
  std::vector<bool> summed(static_cast<size_t>(x.ndim));
  for (size_t i = 0; i + 1 < call.ints.size(); ++i)
    summed[static_cast<size_t>(call.ints[i])] = true;
  const std::vector<ReducePass> passes =
      reduce_passes(std::vector<int64_t>(x.shape, x.shape + x.ndim), summed);
  const double scale = call.numbers.empty() ? 1.0 : call.numbers[0];
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(x), to(call.out[0]);
    return [=, partial = std::vector<std::vector<double>>()](Slots slots) mutable {
      sum<T>(from(slots), passes, scale, &partial, to(slots));
    };
  });
}

// ---- softmax -----------------------------------------------------------------------------------

namespace {

Step softmax_forward(const Call& call, bool logarithm) {
  if (!call.plain()) return {};
  const Split s = split_at(call.in[0], call.ints[0]);
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> x(call.in[0]), y(call.out[0]);
    return [=](Slots slots) { softmax<T>(logarithm, x(slots), s.outer, s.n, s.inner, y(slots)); };
  });
}

Step softmax_backward(const Call& call, bool logarithm) {
  if (!call.plain()) return {};
  const Split s = split_at(call.in[1], call.ints[0]);
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> g(call.in[0]), y(call.in[1]), out(call.out[0]);
    return [=](Slots slots) {
      softmax_grad<T>(logarithm, g(slots), y(slots), s.outer, s.n, s.inner, out(slots));
    };
  });
}

}  // namespace

Step softmax_step(const Call& call) { return softmax_forward(call, false); }
Step log_softmax_step(const Call& call) { return softmax_forward(call, true); }
Step softmax_grad_step(const Call& call) { return softmax_backward(call, false); }
Step log_softmax_grad_step(const Call& call) { return softmax_backward(call, true); }

// ---- cross-entropy -----------------------------------------------------------------------------

namespace {

bool class_sizes(const Operand& x, const Operand& classes, CrossEntropy* h) {
  if (classes.dtype != kI64) return false;
  const Split s = split_at(x, 1);
  *h = {s.outer, s.n, s.inner, nullptr, 0, 0.0, 1.0};
  return true;
}

}  // namespace

// in: x, classes, weight or missing; out: loss, stats; ints: ignore_index, and the reduction as 0
// none, 1 mean, 2 sum; numbers: smoothing
Step cross_entropy_step(const Call& call) {
  CrossEntropy h;
  if (!call.plain() || !class_sizes(call.in[0], call.in[1], &h)) return {};
  h.ignore_index = call.ints[0];
  h.smoothing = call.numbers[0];
  const int64_t reduction = call.ints[1], count = h.outer * h.inner;
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> x(call.in[0]), weight(call.in[2]), loss(call.out[0]), stats(call.out[1]);
    const Pointer<int64_t> classes(call.in[1]);
    return [=](Slots slots) mutable {
      h.classes = classes(slots);
      const int64_t bad = find_bad_class(h.classes, count, h.n, h.ignore_index);
      if (bad >= 0)
        throw IndexError{"cross_entropy: class " + std::to_string(h.classes[bad]) +
                         " is out of range for " + std::to_string(h.n) + " classes"};
      const T* w = weight(slots);
      h.divisor = reduction == 1 ? sum_of_weights(h.classes, count, h.ignore_index, w) : 1.0;
      double sum;
      T* losses = reduction == 0 ? loss(slots) : nullptr;
      if (!cross_entropy<T>(h, x(slots), w, stats(slots), losses, &sum)) throw std::bad_alloc();
      // The losses are divided already; without a sample that counts, their mean is NaN.
      if (!losses) *loss(slots) = static_cast<T>(h.divisor == 0 ? sum / h.divisor : sum);
    };
  });
}

// in: g or missing, x, classes, weight or missing, stats
Step cross_entropy_grad_step(const Call& call) {
  CrossEntropy h;
  if (!call.plain() || !class_sizes(call.in[1], call.in[2], &h)) return {};
  const int64_t step = !call.in[0].missing() && call.in[0].ndim ? 1 : 0;
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> g(call.in[0]), x(call.in[1]), weight(call.in[3]), stats(call.in[4]),
        out(call.out[0]);
    const Pointer<int64_t> classes(call.in[2]);
    return [=](Slots slots) mutable {
      static const T one = 1;
      h.classes = classes(slots);
      const T* slope = g(slots);
      cross_entropy_grad<T>(h, slope ? slope : &one, step, x(slots), weight(slots), stats(slots),
                            out(slots));
    };
  });
}

// ---- normalisation -----------------------------------------------------------------------------

namespace {

// ints: outer, channels, inner, groups, centred
NormShape norm_shape(const Call& call) {
  return {call.ints[0], call.ints[1], call.ints[2], call.ints[3], call.ints[4] != 0};
}

}  // namespace

// in: x, weight and bias or missing; numbers: eps; out: y, mean, var
Step normalize_step(const Call& call) {
  const Tail tail(call);
  if (!call.plain() || !tail.valid()) return {};
  NormShape shape = norm_shape(call);
  const double eps = call.numbers[0];
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> x(call.in[0]), weight(call.in[1]), bias(call.in[2]), y(call.out[0]),
        mean(call.out[1]), var(call.out[2]);
    return [=](Slots slots) mutable {
      const Tail::Run epilogue(tail, slots);
      shape.epilogue = epilogue.get();
      if (!normalize<T>(shape, eps, x(slots), weight(slots), bias(slots), y(slots), mean(slots),
                        var(slots)))
        throw std::bad_alloc();
    };
  });
}

// in: x, weight and bias or missing, mean, var; ints: outer, channels, inner, centred
Step normalize_as_step(const Call& call) {
  const Tail tail(call);
  if (!call.plain() || !tail.valid()) return {};
  NormShape shape = {call.ints[0], call.ints[1], call.ints[2], 0, call.ints[3] != 0};
  shape.known = true;
  const double eps = call.numbers[0];
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> x(call.in[0]), weight(call.in[1]), bias(call.in[2]), mean(call.in[3]),
        var(call.in[4]), y(call.out[0]);
    return [=](Slots slots) mutable {
      const Tail::Run epilogue(tail, slots);
      shape.epilogue = epilogue.get();
      if (!normalize<T>(shape, eps, x(slots), weight(slots), bias(slots), y(slots), mean(slots),
                        var(slots)))
        throw std::bad_alloc();
    };
  });
}

// in: g, x, weight or missing, mean, var; out: the gradient of x and, with a weight, those of
// weight and bias behind it
Step normalize_grad_step(const Call& call) {
  if (!call.plain()) return {};
  const NormShape shape = norm_shape(call);
  const double eps = call.numbers[0];
  const int64_t size = call.in[1].size();
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> g(call.in[0]), x(call.in[1]), weight(call.in[2]), mean(call.in[3]),
        var(call.in[4]), out(call.out[0]);
    return [=](Slots slots) {
      const T* w = weight(slots);
      T* const sums = w ? out(slots) + size : nullptr;
      if (!normalize_grad<T>(shape, eps, g(slots), x(slots), w, mean(slots), var(slots), out(slots),
                             sums, sums ? sums + shape.channels : nullptr))
        throw std::bad_alloc();
    };
  });
}

// ---- max pooling -------------------------------------------------------------------------------

namespace {

PoolShape windows(const int64_t* at) {
  PoolShape s{};
  for (int d = 0; d < 2; ++d) {
    s.kernel[d] = at[d];
    s.stride[d] = at[2 + d];
    s.padding[d] = at[4 + d];
    s.dilation[d] = at[6 + d];
  }
  return s;
}

template <class Run>
Step with_mask(const Call& call, const Operand& mask, Run&& run) {
  return with_float_output(call, [&](auto t) -> Step {
    if (mask.dtype == kU8) return run(t, uint8_t{});
    if (mask.dtype == kI32) return run(t, int32_t{});
    return {};
  });
}

}  // namespace

// ints: kernel, stride, padding, dilation (pairs), ceil; out: values, mask
Step max_pool2d_step(const Call& call) {
  if (!call.plain()) return {};
  const Operand &x = call.in[0], &y = call.out[0];
  PoolShape s = windows(call.ints.data());
  s.height = x.shape[2], s.width = x.shape[3];
  s.out_height = y.shape[2], s.out_width = y.shape[3];
  const int64_t planes = x.shape[0] * x.shape[1];
  return with_mask(call, call.out[1], [&](auto t, auto m) -> Step {
    using T = decltype(t);
    using Mask = decltype(m);
    const Pointer<T> from(x), to(y);
    const Pointer<Mask> mask(call.out[1]);
    return
        [=](Slots slots) { max_pool2d<T, Mask>(from(slots), planes, s, to(slots), mask(slots)); };
  });
}

// ints: (H, W), then as max_pool2d without ceil; in: g, mask
Step max_pool2d_scatter_step(const Call& call) {
  const Tail tail(call);
  if (!call.plain() || !tail.valid()) return {};
  const Operand &g = call.in[0], &y = call.out[0];
  PoolShape s = windows(call.ints.data() + 2);
  s.height = y.shape[2], s.width = y.shape[3];
  s.out_height = g.shape[2], s.out_width = g.shape[3];
  const int64_t planes = g.shape[0] * g.shape[1];
  return with_mask(call, call.in[1], [&](auto t, auto m) -> Step {
    using T = decltype(t);
    using Mask = decltype(m);
    const Pointer<T> from(g), to(y);
    const Pointer<Mask> mask(call.in[1]);
    return [=](Slots slots) {
      const Tail::Run epilogue(tail, slots);
      max_pool2d_scatter<T, Mask>(from(slots), mask(slots), planes, s, to(slots), epilogue.get());
    };
  });
}

// ---- average pooling ---------------------------------------------------------------------------

namespace {

// Windows along one dimension, with the memory that PoolWindows points to.
struct OwnWindows {
  std::vector<int64_t> begin, end;
  std::vector<double> factor;

  PoolWindows windows() const {
    PoolWindows w = {
        static_cast<int64_t>(begin.size()), begin.data(), end.data(), factor.data(), true, 0, 0, 0};
    for (size_t i = 0; i < begin.size(); ++i) {
      const int64_t start = 2 * static_cast<int64_t>(i);
      w.pairs &= begin[i] == start && end[i] == start + 2 && factor[i] == factor[0];
    }
    return w;
  }
};

// Arrays come as their length and their elements: begin, end (integers), factor (numbers).
OwnWindows read_windows(const int64_t** ints, const double** numbers) {
  OwnWindows w;
  for (std::vector<int64_t>* to : {&w.begin, &w.end}) {
    const int64_t n = *(*ints)++;
    to->assign(*ints, *ints + n);
    *ints += n;
  }
  const int64_t n = *(*ints)++;
  w.factor.assign(*numbers, *numbers + n);
  *numbers += n;
  return w;
}

}  // namespace

// in: x (planes..., height, width); ints and numbers: the windows of rows and of columns
Step avg_pool2d_step(const Call& call) {
  if (!call.plain()) return {};
  const Operand& x = call.in[0];
  const int64_t *ints = call.ints.data(), height = x.shape[2], width = x.shape[3];
  const double* numbers = call.numbers.data();
  const OwnWindows rows = read_windows(&ints, &numbers), columns = read_windows(&ints, &numbers);
  const int64_t planes = x.shape[0] * x.shape[1];
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(x), to(call.out[0]);
    return [=](Slots slots) {
      avg_pool2d<T>(from(slots), planes, height, width, rows.windows(), columns.windows(),
                    to(slots));
    };
  });
}

// As avg_pool2d, and last in ints the (height, width) of the result.
Step avg_pool2d_grad_step(const Call& call) {
  if (!call.plain()) return {};
  const int64_t* ints = call.ints.data();
  const double* numbers = call.numbers.data();
  const OwnWindows rows = read_windows(&ints, &numbers), columns = read_windows(&ints, &numbers);
  const Operand& g = call.in[0];
  const int64_t planes = g.shape[0] * g.shape[1], height = ints[0], width = ints[1];
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(g), to(call.out[0]);
    return [=](Slots slots) {
      avg_pool2d_grad<T>(from(slots), planes, height, width, rows.windows(), columns.windows(),
                         to(slots));
    };
  });
}

}  // namespace pag
