#include "kernels/conv_plane_taps.h"

#include <algorithm>

namespace pag {

PlaneTaps::PlaneTaps(const Axis& rows, const Axis& cols, const Patches& patches, int64_t channels) {
  const std::vector<int64_t> offsets = patches.offsets(channels);
  std::vector<int64_t> column;  // weights that read one slot of rows, from top to bottom
  const auto add_column = [&] {
    for (size_t i = 0; i < column.size();) {
      const auto place = [&](size_t j) { return offsets[static_cast<size_t>(column[j])]; };
      size_t end = i + 1;
      while (end < column.size() && place(end) - place(end - 1) == patches.row()) ++end;
      const size_t left = end - i;
      const size_t count = left == 4 ? 2 : left == 6 ? 3 : std::min<size_t>(left, 5);
      columns.push_back({place(i), static_cast<int64_t>(count)});
      order.insert(order.end(), column.begin() + static_cast<std::ptrdiff_t>(i),
                   column.begin() + static_cast<std::ptrdiff_t>(i + count));
      i += count;
    }
  };
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t t = 0; t < cols.taps(); ++t)
      for (int64_t slot = 0; slot < rows.slots(); ++slot) {
        column.clear();
        for (int64_t r = 0; r < rows.taps(); ++r)
          if (rows.slot[static_cast<size_t>(r)] == slot)
            column.push_back((c * rows.taps() + r) * cols.taps() + t);
        add_column();
      }
}

}  // namespace pag
