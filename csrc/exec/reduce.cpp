// Reductions, softmax and its relatives, losses, normalisation.
#include "kernels/reduce.h"

#include <new>

#include "exec/program.h"
#include "kernels/cross_entropy.h"
#include "kernels/norm.h"
#include "kernels/reduce_integers.h"
#include "kernels/softmax.h"

namespace pag {
// ---- sums and extremes -------------------------------------------------------------------------

namespace {

// The passes of a call over the dimensions at the beginning of ints; `more` integers follow them.
// None where there is no such dimension.
std::vector<ReducePass> passes_of(const Call& call, size_t more) {
  const Operand& x = call.in[0];
  std::vector<bool> reduced(static_cast<size_t>(x.ndim));
  for (size_t i = 0; i + more < call.ints.size(); ++i) {
    if (call.ints[i] < 0 || call.ints[i] >= x.ndim) return {};
    reduced[static_cast<size_t>(call.ints[i])] = true;
  }
  return reduce_passes(std::vector<int64_t>(x.shape, x.shape + x.ndim), reduced);
}

// Whether a sum of what a program makes is no slower than program and sum one after the other: not
// down many columns, whose rows are made in short parts, nor where only the program alone would be
// cut for threads.
bool worth_producing(const Operand& x, const ReducePass& pass, const Source& source) {
  if (pass.inner == 1) return true;
  const int64_t most =
      x.dtype == kF32 ? most_columns_produced<float>() : most_columns_produced<double>();
  const int64_t pieces = (pass.n + sum_piece(pass.inner) - 1) / sum_piece(pass.inner);
  const int64_t work = pass.n * pass.inner * Source::Run(source, nullptr).cost();
  return pass.inner <= most && (pass.outer * pieces > 1 || work <= kGrain);
}

}  // namespace

// ints: the dimensions, and whether they are kept; numbers: the factor. With a tail, also the
// number of its result that is summed, of which in[0] has the shape alone.
Step sum_step(const Call& call) {
  if (!call.plain()) return {};
  const Operand& x = call.in[0];
  const Source source(call, call.ints.back());
  if (call.tail && !source.valid()) return {};
  const std::vector<ReducePass> passes = passes_of(call, call.tail ? 2 : 1);
  if (passes.empty()) return {};
  if (call.tail && !worth_producing(x, passes[0], source)) return {};
  const double scale = call.numbers.empty() ? 1.0 : call.numbers[0];
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(x), to(call.out[0]);
    std::vector<std::vector<double>> partial;  // as large as it gets
    for (const ReducePass& pass : passes) partial.emplace_back(static_cast<size_t>(pass.results()));
    return [=](Slots slots) mutable {
      if (!source.valid()) return sum<T>(from(slots), nullptr, passes, scale, &partial, to(slots));
      const Source::Run producer(source, slots);
      sum<T>(nullptr, &producer, passes, scale, &partial, to(slots));
    };
  });
}

// ints: the dimensions, whether they are kept, and whether the largest are wanted
Step extreme_step(const Call& call) {
  const std::vector<ReducePass> passes = passes_of(call, 2);
  if (!call.plain() || passes.empty()) return {};
  const bool largest = call.ints.back() != 0;
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(call.in[0]), to(call.out[0]);
    return [=](Slots slots) { extreme<T>(largest, from(slots), passes, to(slots)); };
  });
}

// ints: dim, largest; out: values, positions
Step extreme_along_step(const Call& call) {
  const ReducePass s = split_at(call.in[0], call.ints[0]);
  if (!call.plain() || s.n > INT32_MAX) return {};
  const bool largest = call.ints[1] != 0;
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(call.in[0]), to(call.out[0]);
    const Pointer<int64_t> positions(call.out[1]);
    return [=](Slots slots) {
      extreme_with_index<T>(largest, from(slots), s.outer, s.n, s.inner, to(slots),
                            positions(slots));
    };
  });
}

// ints: largest; out: the position in the flattened operand
Step arg_extreme_step(const Call& call) {
  const Operand& x = call.in[0];
  const int64_t n = x.size();
  if (!call.contiguous() || n > INT32_MAX) return {};
  const bool largest = call.ints[0] != 0;
  const auto make = [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(x);
    const Pointer<int64_t> to(call.out[0]);
    return [=](Slots slots) {
      T value;
      extreme_with_index<T>(largest, from(slots), 1, n, 1, &value, to(slots));
    };
  };
  return x.dtype == kF32 ? make(float{}) : x.dtype == kF64 ? make(double{}) : Step();
}

namespace {

// ints: the dimensions, and whether they are kept
Step integer_reduction(const Call& call, IntegerReduction kind) {
  const std::vector<ReducePass> passes = passes_of(call, 1);
  if (!call.contiguous() || passes.empty()) return {};
  const auto make = [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(call.in[0]);
    const Pointer<void> to(call.out[0]);
    return [=](Slots slots) { reduce_integers<T>(kind, from(slots), passes, to(slots)); };
  };
  switch (call.in[0].dtype) {
    case kI64:
      return make(int64_t{});
    case kI32:
      return make(int32_t{});
    case kU8:
      return make(uint8_t{});
    default:
      return {};
  }
}

}  // namespace

Step sum_integers_step(const Call& call) { return integer_reduction(call, IntegerReduction::kSum); }
Step prod_integers_step(const Call& call) {
  return integer_reduction(call, IntegerReduction::kProduct);
}
Step all_step(const Call& call) { return integer_reduction(call, IntegerReduction::kAll); }
Step any_step(const Call& call) { return integer_reduction(call, IntegerReduction::kAny); }

// ---- softmax -----------------------------------------------------------------------------------

namespace {

Step softmax_forward(const Call& call, bool logarithm) {
  if (!call.plain()) return {};
  const ReducePass s = split_at(call.in[0], call.ints[0]);
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> x(call.in[0]), y(call.out[0]);
    return [=](Slots slots) { softmax<T>(logarithm, x(slots), s.outer, s.n, s.inner, y(slots)); };
  });
}

Step softmax_backward(const Call& call, bool logarithm) {
  if (!call.plain()) return {};
  const ReducePass s = split_at(call.in[1], call.ints[0]);
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
  const ReducePass s = split_at(x, 1);
  *h = {s.outer, s.n, s.inner, nullptr, 0, 0.0, 1.0};
  return true;
}

// Throws IndexError for a class that there is not.
void check_classes(const CrossEntropy& h, int64_t count) {
  const int64_t bad = find_bad_class(h.classes, count, h.n, h.ignore_index);
  if (bad >= 0)
    throw IndexError{"cross_entropy: class " + std::to_string(h.classes[bad]) +
                     " is out of range for " + std::to_string(h.n) + " classes"};
}

}  // namespace

Step cross_entropy_check(const Call& call) {
  CrossEntropy h;
  if (!class_sizes(call.in[0], call.in[1], &h)) return {};
  h.ignore_index = call.ints[0];
  const Pointer<int64_t> classes(call.in[1]);
  return [=](Slots slots) mutable {
    h.classes = classes(slots);
    check_classes(h, h.outer * h.inner);
  };
}

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
      check_classes(h, count);
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

// mean and var are results, unless they are known.
Step normalize_call(const Call& call, NormShape shape, const Operand& mean_at,
                    const Operand& var_at) {
  const Tail tail(call);
  if (!call.plain() || !tail.valid()) return {};
  const double eps = call.numbers[0];
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> x(call.in[0]), weight(call.in[1]), bias(call.in[2]), y(call.out[0]),
        mean(mean_at), var(var_at);
    return [=](Slots slots) mutable {
      const Tail::Run epilogue(tail, slots);
      shape.epilogue = epilogue.get();
      if (!normalize<T>(shape, eps, x(slots), weight(slots), bias(slots), y(slots), mean(slots),
                        var(slots)))
        throw std::bad_alloc();
    };
  });
}

}  // namespace

// in: x, weight and bias or missing; numbers: eps; out: y, mean, var
Step normalize_step(const Call& call) {
  return normalize_call(call, norm_shape(call), call.out[1], call.out[2]);
}

// in: x, weight and bias or missing, mean, var; ints: outer, channels, inner, centred
Step normalize_as_step(const Call& call) {
  NormShape shape = {call.ints[0], call.ints[1], call.ints[2], 0, call.ints[3] != 0};
  shape.known = true;
  return normalize_call(call, shape, call.in[3], call.in[4]);
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

}  // namespace pag
