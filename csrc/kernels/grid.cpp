// Bound by the reading of taps, which lie anywhere: 4 for each output of a bilinear image. Of many
// channels, 16 at a time are put side by side first: then a tap is one cache line, and vectors do
// the arithmetic, at 16% of the speed of a copy that stays in the cache. Of few channels each is
// read by itself, at 3 ns a place.
//
// Only one thread adds to a plane, place by place, and sums over channels are added in their order.
#include "kernels/grid.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>

#include "isa/table.h"
#include "kernels/denormals.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kFewChannels = 8;  // as many are worth a block
constexpr int64_t kFewBlocks = 4;    // there must be as many blocks to give all threads work
constexpr int64_t kTapsOfTile = kGridTaps * kGridTile;

// The working memory of a thread, and the loops over a tile.
template <class T>
class Tile {
 public:
  using Index = typename Place<T>::type;

  Tile(const GridShape& s, const T* grid, int64_t elements)
      : scratch_((elements * kGridChannels + kGridTile * kGridChannels + 3 * kTapsOfTile) *
                 static_cast<int64_t>(sizeof(T))),
        shape_(s),
        grid_(grid) {
    if (!scratch_) return;
    values = scratch_.as<T>();
    dots = values + kGridTile * kGridChannels;
    taps_.taps = s.geometry.taps();
    taps_.weights = dots + kTapsOfTile;
    taps_.index = reinterpret_cast<Index*>(taps_.weights + kTapsOfTile);
    block = taps_.weights + 2 * kTapsOfTile;
    elements_ = elements;
    forget();
  }
  explicit operator bool() const { return static_cast<bool>(scratch_); }

  // Zeros for the channels that a block may lack.
  void forget() {
    std::fill(values, values + kGridTile * kGridChannels, T{0});
    std::fill(block, block + elements_ * kGridChannels, T{0});
  }

  // The taps of the places from `first` on, as the geometry has them.
  const GridTaps<T>& taps(int64_t image, int64_t first, const GridGeometry& geometry) {
    taps_.count = std::min(kGridTile, shape_.places - first);
    loops.weights(grid_ + (image * shape_.places + first) * geometry.dims, geometry, taps_);
    return taps_;
  }

  // The same, with the weights' slopes along dimension d.
  const GridTaps<T>& slopes(int64_t image, int64_t first, int d) {
    GridGeometry geometry = shape_.geometry;
    ++geometry.orders[d];
    return taps(image, first, geometry);
  }

  // out (places, dims) = the sum over taps of dots * slopes; the taps now have those along x.
  void put_slopes(int64_t image, int64_t first, T* out) {
    for (int d = 0; d < shape_.geometry.dims; ++d) {
      if (d > 0) slopes(image, first, d);
      T total[kGridTile] = {};
      for (int64_t k = 0; k < taps_.taps; ++k)
        for (int64_t p = 0; p < kGridTile; ++p)
          total[p] += taps_.weights[k * kGridTile + p] * dots[k * kGridTile + p];
      for (int64_t p = 0; p < taps_.count; ++p) out[p * shape_.geometry.dims + d] = total[p];
    }
  }

  const GridLoops<T>& loops = isa().grid.of<T>();
  T* values = nullptr;  // of a block of channels: (kGridTile, kGridChannels)
  T* dots = nullptr;    // (kGridTaps, kGridTile)
  T* block = nullptr;   // (elements, kGridChannels)

 private:
  Scratch scratch_;
  GridShape shape_;
  const T* grid_;
  int64_t elements_ = 0;
  GridTaps<T> taps_ = {};
};

// Channels [first, first + count) of an image.
struct Block {
  int64_t image, number, first, count;
};

bool in_blocks(const GridShape& s) {
  return s.channels >= kFewChannels &&
         s.images * divide_up(s.channels, kGridChannels) >= kFewBlocks;
}

// body(tile, item) for every item, in parallel.
template <class T, class Body>
void each_item(const GridShape& s, const T* grid, int64_t items, int64_t work, int64_t elements,
               Body&& body) {
  std::atomic<bool> failed{false};
  parallel_for(items, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work)),
               [&](int64_t begin, int64_t end) {
                 Tile<T> tile(s, grid, elements);
                 if (!tile) {
                   failed = true;
                   return;
                 }
                 for (int64_t i = begin; i < end; ++i) body(tile, i);
               });
  if (failed) throw std::bad_alloc();
}

// body(tile, block) for every block of channels of every image.
template <class T, class Body>
void each_block(const GridShape& s, const T* grid, Body&& body) {
  const int64_t blocks = divide_up(s.channels, kGridChannels), elements = s.geometry.elements();
  const int64_t work = kGridChannels * (elements + s.places * s.geometry.taps());
  each_item<T>(s, grid, s.images * blocks, work, elements, [&](Tile<T>& tile, int64_t i) {
    const int64_t first = i % blocks * kGridChannels;
    body(tile, Block{i / blocks, i % blocks, first, std::min(kGridChannels, s.channels - first)});
  });
}

// body(tile, image, first place) for every tile of every image, all channels.
template <class T, class Body>
void each_tile(const GridShape& s, const T* grid, Body&& body) {
  const int64_t tiles = divide_up(s.places, kGridTile);
  const int64_t work = kGridTile * (s.channels + 4) * s.geometry.taps();
  each_item<T>(s, grid, s.images * tiles, work, 0,
               [&](Tile<T>& tile, int64_t i) { body(tile, i / tiles, i % tiles * kGridTile); });
}

// out (m, n) = the transpose of x (n, m).
template <class T>
void transpose(T* out, int64_t out_row, const T* x, int64_t x_row, int64_t m, int64_t n) {
  isa().move.of<T>().transpose(out, out_row, x, x_row, m, n);
}

}  // namespace

template <class T>
void grid_sample(const T* x, const T* grid, const GridShape& s, T* out) {
  const FlushDenormals scope;
  const int64_t elements = s.geometry.elements();
  if (!in_blocks(s)) {
    each_tile<T>(s, grid, [&](Tile<T>& tile, int64_t image, int64_t first) {
      const auto& taps = tile.taps(image, first, s.geometry);
      for (int64_t plane = image * s.channels; plane < (image + 1) * s.channels; ++plane)
        tile.loops.read_line(out + plane * s.places + first, x + plane * elements, taps);
    });
    return;
  }
  each_block<T>(s, grid, [&](Tile<T>& tile, Block b) {
    const int64_t plane = b.image * s.channels + b.first;
    transpose(tile.block, kGridChannels, x + plane * elements, elements, elements, b.count);
    for (int64_t first = 0; first < s.places; first += kGridTile) {
      const auto& taps = tile.taps(b.image, first, s.geometry);
      tile.loops.read_block(tile.values, tile.block, taps);
      transpose(out + plane * s.places + first, s.places, tile.values, kGridChannels, b.count,
                taps.count);
    }
  });
}

template <class T>
void grid_sample_input_grad(const T* g, const T* grid, const GridShape& s, T* out) {
  const FlushDenormals scope;
  const int64_t elements = s.geometry.elements();
  if (!in_blocks(s)) {
    const int64_t work = elements + s.places * (s.geometry.taps() + 4);
    each_item<T>(s, grid, s.images * s.channels, work, 0, [&](Tile<T>& tile, int64_t plane) {
      T* const to = out + plane * elements;
      std::fill(to, to + elements, T{0});
      for (int64_t first = 0; first < s.places; first += kGridTile)
        tile.loops.add_line(to, g + plane * s.places + first,
                            tile.taps(plane / s.channels, first, s.geometry));
    });
    return;
  }
  each_block<T>(s, grid, [&](Tile<T>& tile, Block b) {
    const int64_t plane = b.image * s.channels + b.first;
    std::fill(tile.block, tile.block + elements * kGridChannels, T{0});
    for (int64_t first = 0; first < s.places; first += kGridTile) {
      const auto& taps = tile.taps(b.image, first, s.geometry);
      transpose(tile.values, kGridChannels, g + plane * s.places + first, s.places, taps.count,
                b.count);
      tile.loops.add_block(tile.block, tile.values, taps);
    }
    transpose(out + plane * elements, elements, tile.block, kGridChannels, b.count, elements);
  });
}

template <class T>
void grid_sample_grid_grad(const T* g, const T* x, const T* grid, const GridShape& s, T* out) {
  const FlushDenormals scope;
  const int64_t elements = s.geometry.elements(), dims = s.geometry.dims;
  const int64_t size = s.images * s.places * dims;
  if (s.geometry.mode == kNearest) {  // flat
    std::fill(out, out + size, T{0});
    return;
  }
  if (!in_blocks(s)) {
    each_tile<T>(s, grid, [&](Tile<T>& tile, int64_t image, int64_t first) {
      const auto& taps = tile.slopes(image, first, 0);
      std::fill(tile.dots, tile.dots + kTapsOfTile, T{0});
      for (int64_t plane = image * s.channels; plane < (image + 1) * s.channels; ++plane)
        tile.loops.dot_line(tile.dots, g + plane * s.places + first, x + plane * elements, taps);
      tile.put_slopes(image, first, out + (image * s.places + first) * dims);
    });
    return;
  }
  const int64_t blocks = divide_up(s.channels, kGridChannels);
  const std::unique_ptr<T[]> more(new T[static_cast<size_t>((blocks - 1) * size)]);
  each_block<T>(s, grid, [&](Tile<T>& tile, Block b) {
    const int64_t plane = b.image * s.channels + b.first;
    if (b.count < kGridChannels) tile.forget();
    transpose(tile.block, kGridChannels, x + plane * elements, elements, elements, b.count);
    T* const to = (b.number ? more.get() + (b.number - 1) * size : out);
    for (int64_t first = 0; first < s.places; first += kGridTile) {
      const auto& taps = tile.slopes(b.image, first, 0);
      transpose(tile.values, kGridChannels, g + plane * s.places + first, s.places, taps.count,
                b.count);
      std::fill(tile.dots, tile.dots + kTapsOfTile, T{0});
      tile.loops.dot_block(tile.dots, tile.values, tile.block, taps);
      tile.put_slopes(b.image, first, to + (b.image * s.places + first) * dims);
    }
  });
  parallel_for(size, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t b = 0; b < blocks - 1; ++b)
      for (int64_t i = begin; i < end; ++i) out[i] += more[static_cast<size_t>(b * size + i)];
  });
}

#define INSTANTIATE(T)                                                               \
  template void grid_sample<T>(const T*, const T*, const GridShape&, T*);            \
  template void grid_sample_input_grad<T>(const T*, const T*, const GridShape&, T*); \
  template void grid_sample_grid_grad<T>(const T*, const T*, const T*, const GridShape&, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
