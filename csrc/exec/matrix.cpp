// Matrix products and convolutions. Strides of matrices are taken as they are where one of them is
// that of an element.
#include <stdexcept>

#include "exec/program.h"
#include "isa/table.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"

namespace pag {
namespace {

struct Layout {
  int64_t row, col;  // elements
};

bool matrix_layout(const Operand& o, Layout* layout) {
  const int64_t size = o.itemsize();
  if (!o.size()) {
    *layout = {1, 1};  // of nothing
    return true;
  }
  for (int d = 0; d < o.ndim; ++d)
    if (o.strides[d] % size) return false;
  *layout = {o.strides[o.ndim - 2] / size, o.strides[o.ndim - 1] / size};
  if (layout->row == 1 || layout->col == 1) return true;
  if (o.shape[o.ndim - 1] == 1)
    layout->col = 1;  // the stride of a single element has no meaning
  else if (o.shape[o.ndim - 2] == 1)
    layout->row = 1;
  else
    return false;
  return true;
}

bool same_dtypes(const Call& call) {
  for (const Operand& o : call.in)
    if (!o.missing() && o.dtype != call.out[0].dtype) return false;
  return call.out[0].contiguous();
}

Conv2d geometry(const Operand& x, const Operand& w, const Operand& y, const int64_t* at) {
  Conv2d g;
  g.n = x.shape[0];
  g.groups = at[6];
  g.c = w.shape[1];
  g.o = w.shape[0] / g.groups;
  g.h = x.shape[2];
  g.w = x.shape[3];
  g.kh = w.shape[2];
  g.kw = w.shape[3];
  g.oh = y.shape[2];
  g.ow = y.shape[3];
  for (int d = 0; d < 2; ++d) {
    g.stride[d] = at[d];
    g.padding[d] = at[2 + d];
    g.dilation[d] = at[4 + d];
  }
  return g;
}

// The product of a call of linear: x (m, k), w (n, k), bias (n,) or missing. False for other
// layouts.
template <class T>
bool linear_product(const Operand& x, const Operand& w, Gemm<T>* g) {
  Layout lx, lw;
  if (!matrix_layout(x, &lx) || !matrix_layout(w, &lw)) return false;
  g->m = x.shape[0];
  g->n = w.shape[0];
  g->k = x.shape[1];
  g->a = {nullptr, lx.row, lx.col};
  g->b = {nullptr, lw.col, lw.row};
  g->c_row = g->n;
  return true;
}

// The instruction set for which weights are made ready; another one's loops want other forms.
class MadeFor {
 public:
  MadeFor() : table_(&isa()) {}
  bool now() const { return table_ == &isa(); }
  void check() const {
    if (!now()) throw std::runtime_error("plan: it was made for another instruction set");
  }

 private:
  const void* table_;
};

}  // namespace

Step matmul_step(const Call& call) {
  const Operand &a = call.in[0], &b = call.in[1], &c = call.out[0];
  const Tail tail(call);
  Layout la, lb;
  if (!tail.valid() || !same_dtypes(call) || !matrix_layout(a, &la) || !matrix_layout(b, &lb))
    return {};
  if (c.ndim - 2 > kMaxBatchDims) return {};
  GemmBatch batch;
  batch.ndim = c.ndim - 2;
  const int64_t size = c.itemsize();
  for (int d = 0; d < batch.ndim; ++d) {
    const int in_a = d - (c.ndim - a.ndim), in_b = d - (c.ndim - b.ndim);
    batch.shape[d] = c.shape[d];
    batch.a_stride[d] = in_a < 0 || a.shape[in_a] == 1 ? 0 : a.strides[in_a] / size;
    batch.b_stride[d] = in_b < 0 || b.shape[in_b] == 1 ? 0 : b.strides[in_b] / size;
  }
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    Gemm<T> g;
    g.m = c.shape[c.ndim - 2];
    g.n = c.shape[c.ndim - 1];
    g.k = a.shape[a.ndim - 1];
    g.a = {nullptr, la.row, la.col};
    g.b = {nullptr, lb.row, lb.col};
    g.c_row = g.n;
    batch.c_item = g.m * g.n;
    const Pointer<T> pa(a), pb(b), pc(c);
    return [=](Slots slots) mutable {
      g.a.data = pa(slots);
      g.b.data = pb(slots);
      g.c = pc(slots);
      const Tail::Run epilogue(tail, slots);
      g.epilogue = epilogue.get();
      gemm(g, batch);
    };
  });
}

// x (m, k), w (n, k), bias (n,) or missing; then maybe what linear_weights_step has made of w
Step linear_step(const Call& call) {
  const Operand &x = call.in[0], &w = call.in[1], &bias = call.in[2];
  const Tail tail(call);
  if (!tail.valid() || !same_dtypes(call)) return {};
  if (!bias.missing() && !bias.contiguous()) return {};
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    Gemm<T> g;
    if (!linear_product(x, w, &g)) return {};
    g.start = bias.missing() ? GemmStart::kZero : GemmStart::kColumnBias;
    const Operand ready = call.in.size() > 3 ? call.in[3] : Operand();
    if (!ready.missing() && ready.size() != packed_weights_size(g)) return {};
    const Pointer<T> px(x), pw(w), pb(bias), pr(ready), py(call.out[0]);
    const MadeFor made_for;
    return [=](Slots slots) mutable {
      g.a.data = px(slots);
      g.b.data = pw(slots);
      g.bias = pb(slots);
      g.packed_b = made_for.now() ? pr(slots) : nullptr;
      g.c = py(slots);
      const Tail::Run epilogue(tail, slots);
      g.epilogue = epilogue.get();
      gemm(g);
    };
  });
}

// x, w, y -> w as linear packs it
Step linear_weights_step(const Call& call) {
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    Gemm<T> g;
    if (!linear_product(call.in[0], call.in[1], &g)) return {};
    if (call.out[0].size() != packed_weights_size(g)) return {};
    const Pointer<T> w(call.in[1]), packed(call.out[0]);
    const MadeFor made_for;
    return [=](Slots slots) mutable {
      made_for.check();
      g.b.data = w(slots);
      pack_weights(g, packed(slots));
    };
  });
}

// ints: stride, padding, dilation (pairs), groups; with a fourth operand, what conv2d_weights_step
// has made of w, also its form
Step conv2d_step(const Call& call) {
  const Tail tail(call);
  if (!call.plain() || !tail.valid()) return {};
  Conv2d g = geometry(call.in[0], call.in[1], call.out[0], call.ints.data());
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Operand made = call.in.size() > 3 ? call.in[3] : Operand();
    ReadyWeights<T> ready;
    if (!made.missing()) {
      ready.form = static_cast<WeightForm>(call.ints.back());
      if (made.size() != conv2d_weights_size<T>(g, ready.form)) return {};
    }
    const Pointer<T> x(call.in[0]), w(call.in[1]), bias(call.in[2]), m(made), y(call.out[0]);
    const MadeFor made_for;
    return [=](Slots slots) mutable {
      const Tail::Run epilogue(tail, slots);
      g.epilogue = epilogue.get();
      ready.data = made_for.now() ? m(slots) : nullptr;
      conv2d<T>(g, x(slots), w(slots), bias(slots), y(slots), ready);
    };
  });
}

// x, w, y -> w in a form; ints as for conv2d, and the form
Step conv2d_weights_step(const Call& call) {
  if (call.ints.size() != 8 || !call.plain()) return {};
  const Conv2d g = geometry(call.in[0], call.in[1], call.in[2], call.ints.data());
  const WeightForm form = static_cast<WeightForm>(call.ints.back());
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    if (form == WeightForm::kPlain || call.out[0].size() != conv2d_weights_size<T>(g, form))
      return {};
    const Pointer<T> w(call.in[1]), made(call.out[0]);
    const MadeFor made_for;
    return [=](Slots slots) {
      made_for.check();
      conv2d_make_ready<T>(g, form, w(slots), made(slots));
    };
  });
}

Ready ready_weights(const std::string& op, const Call& call) {
  Ready found;
  with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    Gemm<T> product;
    if (op == "linear" && linear_product(call.in[0], call.in[1], &product)) {
      found.size = packed_weights_size(product);
    } else if (op == "conv2d" && call.plain()) {
      const Conv2d g = geometry(call.in[0], call.in[1], call.out[0], call.ints.data());
      const WeightForm form = conv2d_weight_form<T>(g);
      found = {static_cast<int64_t>(form), conv2d_weights_size<T>(g, form)};
    }
    return {};
  });
  return found;
}

// ints: (H, W), then as conv2d
Step conv2d_input_grad_step(const Call& call) {
  const Tail tail(call);
  if (!call.plain() || !tail.valid()) return {};
  Conv2d g = geometry(call.out[0], call.in[1], call.in[0], call.ints.data() + 2);
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> dy(call.in[0]), w(call.in[1]), dx(call.out[0]);
    return [=](Slots slots) mutable {
      const Tail::Run epilogue(tail, slots);
      g.epilogue = epilogue.get();
      conv2d_input_grad<T>(g, dy(slots), w(slots), dx(slots));
    };
  });
}

// ints: (kh, kw), then as conv2d
Step conv2d_weight_grad_step(const Call& call) {
  if (!call.plain()) return {};
  const Conv2d g = geometry(call.in[1], call.out[0], call.in[0], call.ints.data() + 2);
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> dy(call.in[0]), x(call.in[1]), dw(call.out[0]);
    return [=](Slots slots) { conv2d_weight_grad<T>(g, dy(slots), x(slots), dw(slots)); };
  });
}

}  // namespace pag
