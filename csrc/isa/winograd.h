// Interface of the Winograd loops (isa/winograd.inl), built once per instruction set.
//
// F(4x4, 3x3) computes a tile of 4x4 outputs of a 3x3 correlation from 6x6 inputs: both the inputs
// and the weights are transformed to 36 places, at each of which channels meet in a matrix product.
#pragma once
#include <stdint.h>

namespace pag {

constexpr int kWinogradPlaces = 36;
constexpr int kWinogradTiles = 64;  // most tiles of a block, which the loops work on at a time

// Neighbouring tiles of one image, in one row of tiles.
struct TileRun {
  int64_t first, count;  // its tiles in the block
  // Inputs: row r of the six begins at from + r * x_row, where top <= r < bottom; `left` zeros,
  // then `columns` pixels from there on, then zeros: in all 4 * count + 2.
  int64_t from, top, bottom, left, columns;
  // Outputs: `out_rows` rows of `out_columns` pixels from `to` on.
  int64_t to, out_rows, out_columns;
};

// A block of tiles: whole vectors of them, of which the last may be empty.
struct TileBlock {
  const TileRun* runs;
  int64_t run_count;
  int64_t tiles;
};

// Most tiles of a run of the loops that work on several channels at a time.
constexpr int kWinogradRun = 16;

// The loops keep the tiles of a vector in an order of their own.
struct WinogradLoops {
  // The transformed weights of one output: place e of channel c goes to u[e * u_place + c]. Tap t
  // of the channel is w[c * w_channel + t], or that of 8 - t if `rotated`.
  void (*weights)(int64_t channels, const float* w, int64_t w_channel, bool rotated, float* u,
                  int64_t u_place);

  // The transformed inputs of one channel: place e of tile t goes to
  // v[e * v_place + t / panel * v_panel + t % panel].
  void (*input)(const TileBlock& block, const float* x, int64_t x_row, float* v, int64_t v_place,
                int64_t panel, int64_t v_panel);

  // The outputs of one channel of which place e of tile t is m[e * m_place + t].
  void (*output)(const TileBlock& block, const float* m, int64_t m_place, float bias, float* out,
                 int64_t out_row);

  // For the weight gradient, channels in vectors. Place e of channel c of tile t, counted from the
  // run's first, goes to v[e * v_place + t * v_tile + c]; the last vector is filled with zeros.
  // The inputs:
  void (*grad_input)(const TileRun& run, int64_t channels, const float* x, int64_t x_plane,
                     int64_t x_row, float* v, int64_t v_place, int64_t v_tile);
  // and the gradients of the outputs:
  void (*grad_output)(const TileRun& run, int64_t channels, const float* g, int64_t g_plane,
                      int64_t g_row, float* v, int64_t v_place, int64_t v_tile);
  // The nine weights of each channel, of whose sums place e is u[e * u_place + c].
  void (*grad_weights)(int64_t channels, const float* u, int64_t u_place, float* dw);
};

}  // namespace pag
