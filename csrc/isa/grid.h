// Reading images at the places of a grid: the loops over a tile of places.
#pragma once
#include <stdint.h>

#include "isa/place.h"

namespace pag {

enum GridMode : int { kNearest, kBilinear, kBicubic };
enum GridPadding : int { kZeros, kBorder, kReflection };

// Images or volumes, and how places between their elements are read. `orders`: which derivative of
// the result is meant, along x, y and z; 0 is the result itself.
struct GridGeometry {
  int dims;          // 2 or 3
  int64_t sizes[3];  // along x, y and z (1 for images)
  GridMode mode;
  GridPadding padding;
  bool corners;
  int orders[3];

  int64_t line() const { return mode == kNearest ? 1 : mode == kBilinear ? 2 : 4; }
  int64_t taps() const { return dims == 2 ? line() * line() : line() * line() * line(); }
  int64_t elements() const { return sizes[0] * sizes[1] * sizes[2]; }
};

constexpr int64_t kGridTile = 64;      // places
constexpr int64_t kGridChannels = 16;  // of a block: then an element's are side by side
constexpr int64_t kGridTaps = 16;      // at most

// The taps of a tile: weights and numbers of elements (-1 for one outside), (taps, kGridTile).
template <class T>
struct GridTaps {
  int64_t count;  // of places, at most kGridTile
  int64_t taps;
  T* weights;
  typename Place<T>::type* index;
};

// line: of one channel, whose elements are side by side. block: of kGridChannels channels, of
// which a tile (count, kGridChannels) goes with elements (elements, kGridChannels).
template <class T>
struct GridLoops {
  using Taps = GridTaps<T>;
  // For places (count, dims) of the grid.
  void (*weights)(const T* grid, const GridGeometry& geometry, const Taps& taps);
  // out = the sum over taps of weights * x[index].
  void (*read_line)(T* out, const T* x, const Taps& taps);
  void (*read_block)(T* out, const T* x, const Taps& taps);
  // out[index] += weights * g.
  void (*add_line)(T* out, const T* g, const Taps& taps);
  void (*add_block)(T* out, const T* g, const Taps& taps);
  // dots (taps, kGridTile) += g * x[index], over the channels.
  void (*dot_line)(T* dots, const T* g, const T* x, const Taps& taps);
  void (*dot_block)(T* dots, const T* g, const T* x, const Taps& taps);
};

}  // namespace pag
