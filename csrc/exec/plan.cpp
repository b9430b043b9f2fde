#include "exec/plan.h"

#include <chrono>
#include <new>

#include "kernels/memory.h"

namespace pag {

int Operand::itemsize() const { return itemsize_of(dtype); }

int64_t Operand::size() const {
  int64_t n = 1;
  for (int d = 0; d < ndim; ++d) n *= shape[d];
  return n;
}

bool Operand::contiguous() const {
  int64_t step = itemsize();
  for (int d = ndim - 1; d >= 0; --d) {
    if (shape[d] != 1 && strides[d] != step) return size() == 0;
    step *= shape[d];
  }
  return true;
}

bool Call::contiguous() const {
  for (const std::vector<Operand>* side : {&in, &out})
    for (const Operand& o : *side)
      if (!o.missing() && !o.contiguous()) return false;
  return true;
}

bool Call::plain() const {
  if (!contiguous()) return false;
  for (const std::vector<Operand>* side : {&in, &out})
    for (const Operand& o : *side)
      if (!o.missing() && (o.dtype == kF32 || o.dtype == kF64) && o.dtype != out[0].dtype)
        return false;
  return true;
}

ReducePass split_at(const Operand& o, int64_t dim) {
  ReducePass s;
  for (int d = 0; d < o.ndim; ++d) (d < dim ? s.outer : d == dim ? s.n : s.inner) *= o.shape[d];
  return s;
}

Step make_step(const std::string& op, const Call& call) {
  using Make = Step (*)(const Call&);
  static const struct {
    const char* op;
    Make make;
    bool takes_tail = false;
  } kSteps[] = {
      {"program", program_step},
      {"copy", copy_step},
      {"matmul", matmul_step, true},
      {"linear", linear_step, true},
      {"linear_weights", linear_weights_step},
      {"sum", sum_step, true},
      {"extreme", extreme_step},
      {"extreme_along", extreme_along_step},
      {"arg_extreme", arg_extreme_step},
      {"sum_integers", sum_integers_step},
      {"prod_integers", prod_integers_step},
      {"all", all_step},
      {"any", any_step},
      {"sort", sort_step},
      {"running_sum", running_sum_step},
      {"running_extreme", running_extreme_step},
      {"gather", gather_step},
      {"scatter", scatter_step},
      {"scatter_add", scatter_add_step},
      {"embedding", embedding_step},
      {"embedding_grad", embedding_grad_step},
      {"index", index_step},
      {"index_add", index_add_step},
      {"softmax", softmax_step},
      {"log_softmax", log_softmax_step},
      {"softmax_grad", softmax_grad_step},
      {"log_softmax_grad", log_softmax_grad_step},
      {"cross_entropy", cross_entropy_step},
      {"cross_entropy_grad", cross_entropy_grad_step},
      {"normalize", normalize_step, true},
      {"normalize_as", normalize_as_step, true},
      {"normalize_grad", normalize_grad_step},
      {"conv2d", conv2d_step, true},
      {"conv2d_weights", conv2d_weights_step},
      {"conv2d_input_grad", conv2d_input_grad_step, true},
      {"conv2d_weight_grad", conv2d_weight_grad_step},
      {"max_pool2d", max_pool2d_step},
      {"max_pool2d_scatter", max_pool2d_scatter_step, true},
      {"max_pool2d_gather", max_pool2d_gather_step},
      {"max_pool2d_indices", max_pool2d_indices_step},
      {"avg_pool2d", avg_pool2d_step},
      {"avg_pool2d_grad", avg_pool2d_grad_step},
      {"unfold", unfold_step},
      {"fold", fold_step},
  };
  for (const auto& entry : kSteps)
    if (op == entry.op) return call.tail && !entry.takes_tail ? Step() : entry.make(call);
  return {};
}

Step make_check(const std::string& op, const Call& call) {
  return op == "cross_entropy" ? cross_entropy_check(call) : positions_check(op, call);
}

Plan::Plan(int64_t arena_bytes) : arena_(static_cast<char*>(acquire_memory(arena_bytes))) {
  if (!arena_) throw std::bad_alloc();
}

Plan::~Plan() { release_memory(arena_); }

void Plan::run(int64_t begin, int64_t end, Slots slots, double* seconds) const {
  if (begin == 0)
    for (const Step& check : checks_) check(slots);
  if (!seconds) {
    for (int64_t i = begin; i < end; ++i) steps_[static_cast<size_t>(i)](slots);
    return;
  }
  using Clock = std::chrono::steady_clock;
  Clock::time_point start = Clock::now();
  for (int64_t i = begin; i < end; ++i) {
    steps_[static_cast<size_t>(i)](slots);
    const Clock::time_point stop = Clock::now();
    seconds[i] += std::chrono::duration<double>(stop - start).count();
    start = stop;
  }
}

}  // namespace pag
