// Fused element-wise programs as the epilogues of kernels, and as what kernels read.
#pragma once
#include <memory>
#include <optional>

#include "exec/plan.h"
#include "kernels/denormals.h"
#include "kernels/epilogue.h"
#include "kernels/producer.h"

namespace pag {

struct Program;

// The program of the call, or null where there is none: see program_step.
std::shared_ptr<const Program> make_program(const Call& call);

// The program that a step applies to its results, part by part: that of `call.tail`, if any.
class Tail {
 public:
  explicit Tail(const Call& call);
  // False where the call has a tail that cannot be run so.
  bool valid() const { return valid_; }

  // For the time of one run, in which the results lie where the step writes them.
  class Run : public Epilogue {
   public:
    Run(const Tail& tail, Slots slots);
    void run(const void* first, int64_t rows, int64_t stride, int64_t width) const override;
    // What the kernel is given: null without a tail.
    const Epilogue* get() const { return program_ ? this : nullptr; }

   private:
    const Program* program_;
    Slots slots_;
    const char* results_;
    int itemsize_;
    // Kernels that take denormals for 0 call what does not: see kernels/denormals.h.
    FloatControl control_;
  };

 private:
  std::shared_ptr<const Program> program_;
  Pointer<const char> results_;
  int itemsize_ = 1;  // of the results
  bool valid_ = true;
};

// The program `call.tail` for a step that takes one of its results part by part: that one is handed
// on and never stored.
class Source {
 public:
  Source(const Call& call, int64_t result);
  // False where the call has no tail, or none that can be run so.
  bool valid() const { return program_ != nullptr; }

  // For the time of one run.
  class Run : public Producer {
   public:
    Run(const Source& source, Slots slots) : source_(source), slots_(slots) {}
    void make(int64_t first, int64_t n, void* to) const override;
    int64_t cost() const override;

   private:
    const Source& source_;
    Slots slots_;
  };

 private:
  std::shared_ptr<const Program> program_;
  int result_ = 0;
};

}  // namespace pag
