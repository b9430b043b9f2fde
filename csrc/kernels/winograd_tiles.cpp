#include "kernels/winograd_tiles.h"

#include <algorithm>

#include "kernels/numeric.h"

namespace pag {

WinogradTiles::WinogradTiles(int64_t images, const int64_t (&in)[2], const int64_t (&out)[2],
                             const int64_t (&pad)[2], int64_t in_image, int64_t out_image)
    : across(divide_up(out[1], kWinogradTile)),
      of_image(divide_up(out[0], kWinogradTile) * across),
      count(images * of_image),
      in_{in[0], in[1]},
      out_{out[0], out[1]},
      pad_{pad[0], pad[1]},
      in_image_(in_image),
      out_image_(out_image) {}

int64_t WinogradTiles::runs(int64_t begin, int64_t end, int64_t longest, TileRun* runs) const {
  int64_t number = 0;
  for (int64_t tile = begin; tile < end;) {
    const int64_t image = tile / of_image;
    const int64_t row = tile % of_image / across, column = tile % across;
    TileRun& run = runs[number++];
    run.first = tile - begin;
    run.count = std::min({across - column, end - tile, longest});
    const int64_t y = row * kWinogradTile - pad_[0], x = column * kWinogradTile - pad_[1];
    const int64_t width = run.count * kWinogradTile + 2;
    run.top = std::max<int64_t>(0, -y);
    run.bottom = in_[0] - y;
    run.left = std::clamp<int64_t>(-x, 0, width);
    run.columns = std::clamp<int64_t>(in_[1] - x - run.left, 0, width - run.left);
    run.from = image * in_image_ + y * in_[1] + x + run.left;
    run.to = image * out_image_ + (row * out_[1] + column) * kWinogradTile;
    run.out_rows = std::min(kWinogradTile, out_[0] - row * kWinogradTile);
    run.out_columns = std::min(run.count * kWinogradTile, out_[1] - column * kWinogradTile);
    tile += run.count;
  }
  return number;
}

}  // namespace pag
