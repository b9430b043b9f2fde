// Windows over planes: pooling, unfold and fold.
#include "exec/program.h"
#include "kernels/pool.h"
#include "kernels/unfold.h"

namespace pag {
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
Step with_mask(const Operand& mask, Run&& run) {
  if (mask.dtype == kU8) return run(uint8_t{});
  if (mask.dtype == kI32) return run(int32_t{});
  return {};
}
template <class Run>
Step with_mask(const Call& call, const Operand& mask, Run&& run) {
  return with_float_output(
      call, [&](auto t) { return with_mask(mask, [&](auto m) -> Step { return run(t, m); }); });
}

// Sets the sizes of the planes and of what is taken from them; returns how many there are.
int64_t set_planes(const Operand& plane, const Operand& out, PoolShape* s) {
  s->height = plane.shape[2], s->width = plane.shape[3];
  s->out_height = out.shape[2], s->out_width = out.shape[3];
  return plane.shape[0] * plane.shape[1];
}

}  // namespace

// ints: kernel, stride, padding, dilation (pairs), ceil; out: values, mask
Step max_pool2d_step(const Call& call) {
  if (!call.plain()) return {};
  const Operand &x = call.in[0], &y = call.out[0];
  PoolShape s = windows(call.ints.data());
  const int64_t planes = set_planes(x, y, &s);
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
  const int64_t planes = set_planes(y, g, &s);
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

// ints: kernel, stride, padding, dilation (pairs); in: x, mask
Step max_pool2d_gather_step(const Call& call) {
  if (!call.plain()) return {};
  PoolShape s = windows(call.ints.data());
  const int64_t planes = set_planes(call.in[0], call.out[0], &s);
  return with_mask(call, call.in[1], [&](auto t, auto m) -> Step {
    using T = decltype(t);
    using Mask = decltype(m);
    const Pointer<T> from(call.in[0]), to(call.out[0]);
    const Pointer<Mask> mask(call.in[1]);
    return [=](Slots slots) {
      max_pool2d_gather<T, Mask>(from(slots), mask(slots), planes, s, to(slots));
    };
  });
}

// ints: (H, W), then as max_pool2d_gather; in: mask
Step max_pool2d_indices_step(const Call& call) {
  if (!call.plain()) return {};
  const Operand& mask = call.in[0];
  PoolShape s = windows(call.ints.data() + 2);
  const int64_t planes = set_planes(mask, mask, &s);
  s.height = call.ints[0], s.width = call.ints[1];
  return with_mask(mask, [&](auto m) -> Step {
    using Mask = decltype(m);
    const Pointer<Mask> from(mask);
    const Pointer<int64_t> to(call.out[0]);
    return [=](Slots slots) { max_pool2d_indices<Mask>(from(slots), planes, s, to(slots)); };
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

// ---- unfold and fold ---------------------------------------------------------------------------

namespace {

// ints: kernel, dilation, padding, stride (pairs)
Windows unfold_windows(const Operand& images, const int64_t* at) {
  Windows w;
  w.planes = images.shape[0] * images.shape[1];
  w.height = images.shape[2], w.width = images.shape[3];
  const int64_t size[2] = {w.height, w.width};
  for (int d = 0; d < 2; ++d) {
    w.kernel[d] = at[d];
    w.dilation[d] = at[2 + d];
    w.padding[d] = at[4 + d];
    w.stride[d] = at[6 + d];
    w.count[d] = pooled_size(size[d], w.kernel[d], w.stride[d], w.padding[d], w.dilation[d], false);
  }
  return w;
}

}  // namespace

Step unfold_step(const Call& call) {
  if (!call.plain()) return {};
  const Windows w = unfold_windows(call.in[0], call.ints.data());
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(call.in[0]), to(call.out[0]);
    return [=](Slots slots) { unfold<T>(w, from(slots), to(slots)); };
  });
}

// ints: (H, W), then as unfold
Step fold_step(const Call& call) {
  if (!call.plain()) return {};
  const Windows w = unfold_windows(call.out[0], call.ints.data() + 2);
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(call.in[0]), to(call.out[0]);
    return [=](Slots slots) { fold<T>(w, from(slots), to(slots)); };
  });
}

}  // namespace pag
