// Steps of optimisers, read once and run often.
#pragma once
#include <memory>
#include <string>

#include "bindings/common.h"

namespace pag {

// What a step does to all parameters; holds on to their arrays.
class OptimizerStep {
 public:
  virtual ~OptimizerStep() = default;
  virtual int64_t total() const = 0;  // elements
  virtual void run() = 0;
  // After a run: makes the next one that of the next step.
  virtual void advance() = 0;
};

// The step of an optimiser as part of a plan. Bound to arrays and settings before the first run,
// and again when they have changed.
class BoundOptimizer {
 public:
  // kernel: "sgd_step", ...; groups: as that takes them. Raises ValueError for an unknown kernel.
  void bind(const std::string& kernel, const py::list& groups);
  // Without the GIL. Does nothing while unbound.
  void run();

 private:
  std::unique_ptr<OptimizerStep> step_;
};

}  // namespace pag
