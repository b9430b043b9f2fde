// Reading, writing and adding at positions. These depend on values, so that each run checks them.
#include "kernels/index.h"

#include <cstring>

#include "exec/plan.h"

namespace pag {
namespace {

GatherShape gather_shape(const Operand& index, const Operand& array, int64_t dim) {
  GatherShape s;
  s.ndim = array.ndim;
  s.dim = static_cast<int>(dim);
  for (int d = 0; d < s.ndim; ++d) {
    s.index[d] = index.shape[d];
    s.array[d] = array.shape[d];
  }
  return s;
}

// The positions of a call along ints[0], looked at in each run.
class Positions {
 public:
  Positions(const char* op, const Operand& index, const Operand& array, int64_t dim)
      : op_(op), index_(index), count_(index.size()), dim_(dim), size_(array.shape[dim]) {}
  const int64_t* operator()(Slots slots) const {
    const int64_t* index = index_(slots);
    check_range(op_, index, count_, dim_, size_);
    return index;
  }

 private:
  const char* op_;
  Pointer<const int64_t> index_;
  int64_t count_, dim_, size_;
};

bool takes(const Call& call, const Operand& index) {
  return call.contiguous() && index.dtype == kI64;
}

}  // namespace

// ---- along one dimension: ints: dim ------------------------------------------------------------

// in: x, index
Step gather_step(const Call& call) {
  const Operand &x = call.in[0], &index = call.in[1];
  if (!takes(call, index)) return {};
  const Positions positions("gather", index, x, call.ints[0]);
  const GatherShape shape = gather_shape(index, x, call.ints[0]);
  const Pointer<void> from(x), to(call.out[0]);
  const int itemsize = x.itemsize();
  return [=](Slots slots) { gather(itemsize, from(slots), positions(slots), shape, to(slots)); };
}

// in: values, index
Step scatter_add_step(const Call& call) {
  const Operand &index = call.in[1], &out = call.out[0];
  if (!call.plain() || !takes(call, index)) return {};
  const Positions positions("scatter_add", index, out, call.ints[0]);
  const GatherShape shape = gather_shape(index, out, call.ints[0]);
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(call.in[0]), to(out);
    return [=](Slots slots) { scatter_add<T>(from(slots), positions(slots), shape, to(slots)); };
  });
}

// in: x, values, index
Step scatter_step(const Call& call) {
  const Operand &x = call.in[0], &index = call.in[2], &out = call.out[0];
  if (!takes(call, index)) return {};
  const Positions positions("scatter", index, out, call.ints[0]);
  const GatherShape shape = gather_shape(index, out, call.ints[0]);
  const Pointer<void> before(x), values(call.in[1]), to(out);
  const int itemsize = x.itemsize();
  const size_t bytes = static_cast<size_t>(x.size() * itemsize);
  return [=](Slots slots) {
    const int64_t* const at = positions(slots);
    if (bytes && to(slots) != before(slots)) std::memcpy(to(slots), before(slots), bytes);
    scatter(itemsize, values(slots), at, shape, to(slots));
  };
}

// ---- rows of a table ---------------------------------------------------------------------------

// in: table, index
Step embedding_step(const Call& call) {
  const Operand &table = call.in[0], &index = call.in[1];
  if (!takes(call, index)) return {};
  const int64_t rows = table.shape[0], width = table.shape[1], count = index.size();
  const Pointer<void> from(table), to(call.out[0]);
  const Pointer<const int64_t> positions(index);
  const int itemsize = table.itemsize();
  return [=](Slots slots) {
    const int64_t* const at = positions(slots);
    check_table_rows(at, count, rows);
    index_select(itemsize, from(slots), 1, rows, width, at, count, to(slots));
  };
}

// in: g, index; ints: the number of rows, and the one that gets nothing or -1
Step embedding_grad_step(const Call& call) {
  const Operand &index = call.in[1], &out = call.out[0];
  if (!call.plain() || !takes(call, index)) return {};
  const Positions positions("embedding_grad", index, out, 0);
  const int64_t rows = out.shape[0], width = out.shape[1], count = index.size();
  const int64_t padding = call.ints[1];
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(call.in[0]), to(out);
    return [=](Slots slots) {
      index_add<T>(from(slots), positions(slots), count, 1, rows, width, to(slots));
      if (padding >= 0)
        for (int64_t j = 0; j < width; ++j) to(slots)[padding * width + j] = 0;
    };
  });
}

// ---- along neighbouring dimensions -------------------------------------------------------------

namespace {

// ints: the first dimension that is indexed and how many are, these dimensions' numbers in the
// array of the program, and its shape. They tell of it in errors: see static/movement.py.
struct Slices {
  Slices(const Call& call, const Operand& array) {
    const size_t dim = static_cast<size_t>(call.ints[0]),
                 end = dim + static_cast<size_t>(call.ints[1]);
    for (size_t d = 0; d < static_cast<size_t>(array.ndim); ++d) {
      (d < dim ? outer : d < end ? n : inner) *= array.shape[d];
      if (d >= dim && d < end) rows.sizes.push_back(array.shape[d]);
    }
    const auto names = call.ints.begin() + 2;
    rows.dims.assign(names, names + call.ints[1]);
    rows.count = call.in[1].size() / call.ints[1];
    for (auto size = names + call.ints[1]; size != call.ints.end(); ++size)
      shape += (shape.empty() ? "" : ", ") + std::to_string(*size);
    if (call.ints.end() - (names + call.ints[1]) == 1) shape += ",";
    index = Pointer<const int64_t>(call.in[1]);
  }
  const int64_t* positions(Slots slots, std::vector<int64_t>* own) const {
    try {
      return rows.of(index(slots), own);
    } catch (const IndexError& e) {
      throw IndexError{"index: " + e.message + " (shape (" + shape + "))"};
    }
  }

  int64_t outer = 1, n = 1, inner = 1;
  Rows rows;
  std::string shape;
  Pointer<const int64_t> index;
};

}  // namespace

// in: x, positions (dimensions, ...)
Step index_step(const Call& call) {
  if (!takes(call, call.in[1])) return {};
  const Slices s(call, call.in[0]);
  const Pointer<void> from(call.in[0]), to(call.out[0]);
  const int itemsize = call.in[0].itemsize();
  return [=, own = std::vector<int64_t>()](Slots slots) mutable {
    const int64_t* const rows = s.positions(slots, &own);
    index_select(itemsize, from(slots), s.outer, s.n, s.inner, rows, s.rows.count, to(slots));
  };
}

// in: g, positions
Step index_add_step(const Call& call) {
  if (!call.plain() || !takes(call, call.in[1])) return {};
  const Slices s(call, call.out[0]);
  return with_float_output(call, [&](auto t) -> Step {
    using T = decltype(t);
    const Pointer<T> from(call.in[0]), to(call.out[0]);
    return [=, own = std::vector<int64_t>()](Slots slots) mutable {
      const int64_t* const rows = s.positions(slots, &own);
      index_add<T>(from(slots), rows, s.rows.count, s.outer, s.n, s.inner, to(slots));
    };
  });
}

// ---- checks ------------------------------------------------------------------------------------

Step positions_check(const std::string& op, const Call& call) {
  const auto along = [&](const char* name, const Operand& index, const Operand& array) -> Step {
    const Positions positions(name, index, array, call.ints[0]);
    return [=](Slots slots) { positions(slots); };
  };
  if (op == "gather") return along("gather", call.in[1], call.in[0]);
  if (op == "scatter") return along("scatter", call.in[2], call.out[0]);
  if (op == "scatter_add") return along("scatter_add", call.in[1], call.out[0]);
  if (op == "embedding") {
    const Pointer<const int64_t> positions(call.in[1]);
    const int64_t count = call.in[1].size(), rows = call.in[0].shape[0];
    return [=](Slots slots) { check_table_rows(positions(slots), count, rows); };
  }
  if (op == "index") {
    const Slices s(call, call.in[0]);
    return [=, own = std::vector<int64_t>()](Slots slots) mutable { s.positions(slots, &own); };
  }
  return {};
}

}  // namespace pag
