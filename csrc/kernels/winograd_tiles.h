// The tiles of the images that Winograd's form goes through, image after image, row after row.
#pragma once
#include <cstdint>

#include "isa/winograd.h"

namespace pag {

struct WinogradTiles {
  // Images of in[0] x in[1] are correlated to out[0] x out[1]; from one image to the next there are
  // in_image inputs and out_image outputs.
  WinogradTiles(int64_t images, const int64_t (&in)[2], const int64_t (&out)[2],
                const int64_t (&pad)[2], int64_t in_image, int64_t out_image);

  // The runs of tiles [begin, end), of at most `longest` tiles each; their number.
  int64_t runs(int64_t begin, int64_t end, int64_t longest, TileRun* runs) const;

  int64_t across, of_image, count;  // tiles in a row, in an image, in all

 private:
  int64_t in_[2], out_[2], pad_[2];
  int64_t in_image_, out_image_;
};

constexpr int64_t kWinogradTile = 4;  // outputs of a tile along each dimension
// Steps between places end off the multiples of 4 KB, which would share a set of the L1 cache.
constexpr int64_t kWinogradStagger = 80;

}  // namespace pag
