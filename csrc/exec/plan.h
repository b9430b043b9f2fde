// A static graph as a flat list of steps: calls of kernels whose operands lie in one arena, or in
// memory that the caller hands in. Running it involves no Python and allocates nothing but kernels'
// working memory.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/reduce.h"

namespace pag {

// Base addresses by slot: 0 is the arena, the others belong to the caller.
using Slots = char* const*;

// An operand of a step; strides are in bytes.
struct Operand {
  DType dtype = kDTypes;  // kDTypes: there is no such operand
  int ndim = 0;
  int64_t shape[kMaxDims], strides[kMaxDims];
  int slot = 0;
  int64_t offset = 0;

  bool missing() const { return dtype == kDTypes; }
  int itemsize() const;
  int64_t size() const;
  bool contiguous() const;
};

// The address of an operand in a run; null for a missing one.
template <class T>
class Pointer {
 public:
  Pointer() = default;
  explicit Pointer(const Operand& o) : slot_(o.missing() ? -1 : o.slot), offset_(o.offset) {}
  T* operator()(Slots slots) const {
    return slot_ < 0 ? nullptr : reinterpret_cast<T*>(slots[slot_] + offset_);
  }

 private:
  int slot_ = -1;
  int64_t offset_ = 0;
};

// A call of an op, as the graph has it: `ints` and `numbers` are its attributes, flattened.
struct Call {
  std::vector<Operand> in, out;
  std::vector<int64_t> ints;
  std::vector<double> numbers;
  // A fused program of results of out[0], which is among its operands; only some ops take one.
  std::shared_ptr<const Call> tail;

  // Whether all operands are C-contiguous.
  bool contiguous() const;
  // Whether they are, and the floats among them of one dtype, that of the
  // first output.
  bool plain() const;
};

// Throws what the op's binding would raise, as IndexError or bad_alloc.
using Step = std::function<void(Slots)>;

// The step of a call, or an empty one where there is none: no native step of that op, or none for
// these layouts or dtypes.
Step make_step(const std::string& op, const Call& call);

// What the kernel of a call would make of its weights, operand 1, in each run: `size` elements, 0
// for nothing. If they change seldom, a step "<op>_weights" of the operands (x, weights, result)
// makes it before, and the call takes it as one more operand. `form` ends the ints of both.
struct Ready {
  int64_t form = 0, size = 0;
};
Ready ready_weights(const std::string& op, const Call& call);
// What the step throws for positions or classes that lie outside, and nothing more; an empty step
// for ops without. It reads these alone.
Step make_check(const std::string& op, const Call& call);

// An operand seen as (outer, n, inner) around one dimension.
ReducePass split_at(const Operand& o, int64_t dim);

// run(float{}) or run(double{}) by the dtype of the first output; an empty step for others.
template <class Run>
Step with_float_output(const Call& call, Run&& run) {
  if (call.out[0].dtype == kF32) return run(float{});
  if (call.out[0].dtype == kF64) return run(double{});
  return {};
}

class Plan {
 public:
  // Throws bad_alloc.
  explicit Plan(int64_t arena_bytes);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  void add(Step step) { steps_.push_back(std::move(step)); }
  // What is looked at before the first step, so that a run that it ends has changed nothing.
  void add_check(Step check) { checks_.push_back(std::move(check)); }
  int64_t size() const { return static_cast<int64_t>(steps_.size()); }
  char* arena() const { return arena_; }
  // The steps [begin, end), at 0 with the checks before them. With `seconds`, one number a step of
  // the plan, adds what each took.
  void run(int64_t begin, int64_t end, Slots slots, double* seconds = nullptr) const;

 private:
  char* arena_;
  std::vector<Step> steps_, checks_;
};

// The families' steps, by the names of their ops; see make_step.
Step program_step(const Call& call);
Step copy_step(const Call& call);
Step matmul_step(const Call& call);
Step linear_step(const Call& call);
Step linear_weights_step(const Call& call);
Step sum_step(const Call& call);
Step extreme_step(const Call& call);
Step extreme_along_step(const Call& call);
Step arg_extreme_step(const Call& call);
Step sum_integers_step(const Call& call);
Step prod_integers_step(const Call& call);
Step all_step(const Call& call);
Step any_step(const Call& call);
Step sort_step(const Call& call);
Step running_sum_step(const Call& call);
Step running_extreme_step(const Call& call);
Step gather_step(const Call& call);
Step scatter_step(const Call& call);
Step scatter_add_step(const Call& call);
Step embedding_step(const Call& call);
Step embedding_grad_step(const Call& call);
Step positions_check(const std::string& op, const Call& call);
Step index_step(const Call& call);
Step index_add_step(const Call& call);
Step softmax_step(const Call& call);
Step log_softmax_step(const Call& call);
Step softmax_grad_step(const Call& call);
Step log_softmax_grad_step(const Call& call);
Step cross_entropy_step(const Call& call);
Step cross_entropy_check(const Call& call);
Step cross_entropy_grad_step(const Call& call);
Step normalize_step(const Call& call);
Step normalize_as_step(const Call& call);
Step normalize_grad_step(const Call& call);
Step conv2d_step(const Call& call);
Step conv2d_weights_step(const Call& call);
Step conv2d_input_grad_step(const Call& call);
Step conv2d_weight_grad_step(const Call& call);
Step max_pool2d_step(const Call& call);
Step max_pool2d_scatter_step(const Call& call);
Step max_pool2d_gather_step(const Call& call);
Step max_pool2d_indices_step(const Call& call);
Step avg_pool2d_step(const Call& call);
Step avg_pool2d_grad_step(const Call& call);
Step unfold_step(const Call& call);
Step fold_step(const Call& call);

}  // namespace pag
