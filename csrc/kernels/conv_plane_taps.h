// The taps of a correlation as columns, for the loops that go plane by plane.
#pragma once
#include <cstdint>
#include <vector>

#include "isa/conv_plane.h"
#include "kernels/patches.h"

namespace pag {

struct PlaneTaps {
  PlaneTaps(const Axis& rows, const Axis& cols, const Patches& patches, int64_t channels);

  int64_t count() const { return static_cast<int64_t>(order.size()); }

  std::vector<TapColumn> columns;
  std::vector<int64_t> order;  // which of the weights (channel, tap, tap) comes where
};

// Elements that the plane loops may read past a copy with these rows.
inline int64_t plane_slack(const Patches& patches, int64_t lanes) {
  return kPlaneRowSlack * patches.row() + kPlaneVectorSlack * lanes;
}

}  // namespace pag
