// Images read at the places of a grid, between elements by weights of those around.
#pragma once
#include <cstdint>

#include "isa/grid.h"

namespace pag {

// x (images, channels, elements), a grid (images, places, dims) with coordinates from -1 to 1, of
// which the first runs along the last dimension; out (images, channels, places).
struct GridShape {
  int64_t images, channels, places;
  GridGeometry geometry;
};

// All throw std::bad_alloc; their working memory is 16 channels of an image for each thread.
template <class T>
void grid_sample(const T* x, const T* grid, const GridShape& shape, T* out);
// The gradients for g, that of out: of the images, and of the grid; for the latter, the grid's size
// for every 16 channels is working memory, too.
template <class T>
void grid_sample_input_grad(const T* g, const T* grid, const GridShape& shape, T* out);
template <class T>
void grid_sample_grid_grad(const T* g, const T* x, const T* grid, const GridShape& shape, T* out);

}  // namespace pag
