// F(4x4, 3x3) transposed: with the forward form y = A^T [(G w) * (B^T x)], the weight gradient is
// dw = G^T [the sum over tiles of (A dy) * (B^T x)], so that at each of 36 places the tiles are
// summed by a matrix product of (outputs, tiles) and (tiles, channels).
//
// A task is a block of outputs and channels, whose sums stay in the L2 cache, and a chunk of tiles.
// The gradients of the chunks are added in order.
//
// What bounds it, for each pair of channels and tile of 16 pixels: 36 multiplications (the direct
// form has 144), and reading x and dy from memory once for each block. Measured at 64 channels and
// 56x56 maps, in a core whose limit is 58 billion multiplications a second: 65% of the limit of the
// 36, the rest being the transforms (2.5 times the speed limit of the direct form).
#include <algorithm>
#include <atomic>
#include <new>

#include "isa/table.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/winograd.h"
#include "kernels/winograd_tiles.h"

namespace pag {
namespace {

constexpr int64_t kPlaces = kWinogradPlaces;
constexpr int64_t kBlock = 64;              // most outputs and channels of a task
constexpr int64_t kPassFloats = 128 << 10;  // of the transformed tiles of one pass
constexpr int64_t kMostTiles = 128;         // of one pass
constexpr int64_t kChunkTiles = 32;         // fewer are not worth a chunk
constexpr int64_t kSumBytes = 4 << 20;      // of the gradients of all chunks
constexpr int64_t kMaxTasks = 16;

// What the transforms of a vector of inputs or outputs of a tile, and of one of weights, cost, in
// vectors of multiplications.
constexpr double kInputCost = 400, kOutputCost = 300, kWeightCost = 350;
constexpr double kLeastGain = 1.1;

class WeightGrad {
 public:
  WeightGrad(const WinogradConv& p, const float* dy);
  void run(float* dw) const;

 private:
  bool run_task(int64_t task, float* dw) const;

  const WinogradConv& p_;
  const float* dy_;
  WinogradTiles tiles_;
  int64_t block_outputs_, block_channels_, output_blocks_, channel_blocks_;
  int64_t chunk_tiles_, chunks_, pass_tiles_;
  double operations_;
};

WeightGrad::WeightGrad(const WinogradConv& p, const float* dy)
    : p_(p),
      dy_(dy),
      tiles_(p.images, p.in, p.out, p.pad, p.groups * p.channels * p.in[0] * p.in[1],
             p.groups * p.outputs * p.out[0] * p.out[1]) {
  const int64_t lanes = isa().gemm.f32.lanes;
  operations_ = 2.0 * kPlaces * static_cast<double>(p.groups * p.channels) *
                static_cast<double>(p.outputs) * static_cast<double>(tiles_.count);
  block_outputs_ = balanced(p.outputs, kBlock, 1);
  block_channels_ = balanced(p.channels, kBlock, lanes);
  output_blocks_ = divide_up(p.outputs, block_outputs_);
  channel_blocks_ = divide_up(p.channels, block_channels_);
  const int64_t wanted = static_cast<int64_t>(
      std::clamp(operations_ / kChunkOperations, 1.0, static_cast<double>(kMaxTasks)));
  const int64_t weight_bytes =
      p.groups * p.outputs * p.channels * 9 * static_cast<int64_t>(sizeof(float));
  chunks_ = std::clamp<int64_t>(
      divide_up(wanted, p.groups * output_blocks_ * channel_blocks_), 1,
      std::max<int64_t>(1, std::min(kSumBytes / weight_bytes, tiles_.count / kChunkTiles)));
  chunk_tiles_ = divide_up(tiles_.count, chunks_);
  chunks_ = divide_up(tiles_.count, chunk_tiles_);
  const int64_t of_tile = kPlaces * (round_up(block_outputs_, lanes) + block_channels_);
  pass_tiles_ =
      balanced(chunk_tiles_, std::clamp<int64_t>(kPassFloats / of_tile, 16, kMostTiles), 1);
}

// dw: of this task's chunk.
bool WeightGrad::run_task(int64_t task, float* dw) const {
  const GemmLoops<float>& gemm = isa().gemm.f32;
  const WinogradLoops& loops = isa().winograd;
  const int64_t first_channel = task % channel_blocks_ * block_channels_;
  const int64_t first_output = task / channel_blocks_ % output_blocks_ * block_outputs_;
  const int64_t group = task / (channel_blocks_ * output_blocks_) % p_.groups;
  const int64_t begin = task / (channel_blocks_ * output_blocks_ * p_.groups) * chunk_tiles_;
  const int64_t end = std::min(tiles_.count, begin + chunk_tiles_);
  const int64_t channels = std::min(block_channels_, p_.channels - first_channel);
  const int64_t outputs = std::min(block_outputs_, p_.outputs - first_output);
  const int64_t in_plane = p_.in[0] * p_.in[1], out_plane = p_.out[0] * p_.out[1];
  const float* const x = p_.x + (group * p_.channels + first_channel) * in_plane;
  const float* const dy = dy_ + (group * p_.outputs + first_output) * out_plane;

  const int64_t width = round_up(channels, gemm.lanes), height = round_up(outputs, gemm.lanes);
  const int64_t x_place = pass_tiles_ * width + kWinogradStagger;
  const int64_t y_place = pass_tiles_ * height + kWinogradStagger;
  const int64_t sum_place = outputs * width + kWinogradStagger;
  const Scratch scratch(kPlaces * (x_place + y_place + sum_place) *
                        static_cast<int64_t>(sizeof(float)));
  float* const xs = scratch.as<float>();
  if (!xs) return false;
  float* const ys = xs + kPlaces * x_place;
  float* const sums = ys + kPlaces * y_place;

  GemmBlock<float> g;
  g.m = outputs;
  g.n = width;
  g.rows = static_cast<int>(balanced(outputs, gemm.tile_rows, 1));
  g.columns = static_cast<int>(balanced(width, gemm.tile_columns, gemm.lanes));
  g.a_row = 1;
  g.a_col = height;
  g.a_panel = g.rows;
  g.b_row = width;
  g.b_panel = g.columns;
  g.c_row = width;
  g.bias = nullptr;
  TileRun runs[kMostTiles];
  for (int64_t tile = begin; tile < end; tile += pass_tiles_) {
    g.k = std::min(pass_tiles_, end - tile);
    const int64_t count = tiles_.runs(tile, tile + g.k, kWinogradRun, runs);
    for (int64_t i = 0; i < count; ++i) {
      const TileRun& run = runs[i];
      loops.grad_input(run, channels, x, in_plane, p_.in[1], xs + run.first * width, x_place,
                       width);
      loops.grad_output(run, outputs, dy, out_plane, p_.out[1], ys + run.first * height, y_place,
                        height);
    }
    g.start = tile > begin ? GemmStart::kC : GemmStart::kZero;
    for (int64_t e = 0; e < kPlaces; ++e) {
      g.a = ys + e * y_place;
      g.b = xs + e * x_place;
      g.c = sums + e * sum_place;
      gemm.block(g);
    }
  }
  for (int64_t o = 0; o < outputs; ++o)
    loops.grad_weights(
        channels, sums + o * width, sum_place,
        dw + ((group * p_.outputs + first_output + o) * p_.channels + first_channel) * 9);
  return true;
}

void WeightGrad::run(float* dw) const {
  const int64_t weights = p_.groups * p_.outputs * p_.channels * 9;
  const Scratch scratch((chunks_ - 1) * weights * static_cast<int64_t>(sizeof(float)));
  float* const others = scratch.as<float>();
  if (!others) throw std::bad_alloc();
  const int64_t of_chunk = p_.groups * output_blocks_ * channel_blocks_, tasks = of_chunk * chunks_;
  std::atomic<bool> no_memory{false};
  parallel_for(tasks, chunk_grain(tasks, operations_), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t chunk = task / of_chunk;
      if (!run_task(task, chunk ? others + (chunk - 1) * weights : dw)) no_memory = true;
    }
  });
  if (no_memory) throw std::bad_alloc();
  if (chunks_ > 1)
    parallel_for(weights, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = 1; chunk < chunks_; ++chunk) {
        const float* from = others + (chunk - 1) * weights;
        for (int64_t i = begin; i < end; ++i) dw[i] += from[i];
      }
    });
}

}  // namespace

bool winograd_weight_grad_wins(const WinogradConv& p) {
  if (!winograd_allowed()) return false;
  const double lanes = isa().gemm.f32.lanes;
  const auto filled = [&](int64_t n) {  // how much of whole vectors is in use
    return static_cast<double>(n) /
           (static_cast<double>(divide_up(n, isa().gemm.f32.lanes)) * lanes);
  };
  const double tiles = static_cast<double>(p.images * divide_up(p.out[0], kWinogradTile) *
                                           divide_up(p.out[1], kWinogradTile));
  const double c = static_cast<double>(std::min(p.channels, kBlock));
  const double m = static_cast<double>(std::min(p.outputs, kBlock));
  const double pixels = static_cast<double>(p.images * p.out[0] * p.out[1]);
  // Multiplications, or their worth in time, for each pair of channels.
  const double here =
      tiles * (kPlaces / filled(p.channels) + kInputCost / m + kOutputCost / c) + kWeightCost;
  return 9 * pixels > kLeastGain * here;
}

void winograd_weight_grad(const WinogradConv& p, const float* dy, float* dw) {
  WeightGrad(p, dy).run(dw);
}

}  // namespace pag
