// What bounds it, for each pair of channels and tile of 16 pixels: 36 multiplications (the direct
// form has 144), and, where tiles are few, the transformed weights that pass through memory (4
// times the weights). Measured at 64 to 128 channels, in a core whose limit is 58 billion
// multiplications a second: 70 to 75% of the limit of the 36, the rest being the transforms (2.8
// to 3.0 times the speed limit of the direct form).
#include "kernels/winograd.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "isa/table.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/winograd_tiles.h"

namespace pag {
namespace {

constexpr int64_t kPlaces = kWinogradPlaces;
constexpr int64_t kHeight = 48;  // outputs of which products are kept at a time
constexpr int64_t kDepth = 128;  // channels added up in one go: in parts, rounding errors grow less
// Tasks transform their own weights if there are at most so many tiles, and at least so many
// weights (as pairs of channels), or more of them than fit here.
constexpr int64_t kFewTiles = 32, kManyWeights = 4096;
constexpr int64_t kSharedWeightBytes = 12 << 20;
constexpr int64_t kOwnWeightBytes = 400 << 10;  // transformed at a time, where tiles are one block
// More transformed weights than this are made as fast as they are read from memory.
constexpr int64_t kKeptWeightBytes = 1 << 20;
constexpr int64_t kWeightGrain = 1024;  // pairs of channels transformed in one go
constexpr int64_t kMinTasks = 4, kMaxTasks = 8;
constexpr int64_t kMinTiles = 32, kMinOutputs = 16;  // of a task

// The transforms of one value of a tile (at each of its places), and of one weight, cost as much as
// so many multiplications. Measured: 8 and 16; where multiplications are twice as fast, up to 16
// for a tile.
constexpr double kTileCost = 12, kWeightCost = 16;
constexpr double kLeastGain = 1.1;

std::atomic<bool> allowed{true};

// How one correlation is cut into tasks. A task is a range of outputs of one group, and a block of
// tiles, of one image or several. Where tiles are few or weights very many, it is all blocks, and
// the task transforms its own weights; else weights are transformed for all tasks before.
class Plan {
 public:
  explicit Plan(const WinogradConv& p);

  int64_t tasks() const { return p_.groups * tile_tasks_ * output_tasks_; }
  double operations() const {
    return 2.0 * kPlaces * static_cast<double>(p_.groups * p_.channels) *
           static_cast<double>(p_.outputs) * static_cast<double>(tiles_.count);
  }
  bool own_weights() const { return own_weights_; }
  int64_t weight_bytes() const { return places_bytes(p_.groups * p_.outputs * p_.channels); }
  void transform_all_weights(float* u) const;
  // False if there is no memory.
  bool run(int64_t task, const float* shared_weights) const;

 private:
  static int64_t places_bytes(int64_t place) {
    return kPlaces * (place + kWinogradStagger) * static_cast<int64_t>(sizeof(float));
  }
  // From one place to the next of all weights.
  int64_t all_place() const { return p_.groups * p_.outputs * p_.channels + kWinogradStagger; }
  // Of outputs [begin, end), counted over all groups, and channels from `channel` on. A vector of
  // channels at a time: neighbouring outputs may have their weights in the same lines of memory.
  void transform_weights(int64_t begin, int64_t end, int64_t channel, int64_t channels, float* u,
                         int64_t u_place) const {
    const int64_t lanes = isa().gemm.f32.lanes;
    for (int64_t c = 0; c < channels; c += lanes)
      for (int64_t i = begin; i < end; ++i)
        isa().winograd.weights(
            std::min(lanes, channels - c),
            p_.weights + i / p_.outputs * p_.group_step + i % p_.outputs * p_.output_step +
                (channel + c) * p_.channel_step,
            p_.channel_step, p_.rotated, u + (i - begin) * channels + c, u_place);
  }
  void run_block(int64_t block, int64_t first_output, int64_t outputs, const float* u,
                 int64_t u_place, float* memory) const;
  bool run_few_tiles(int64_t first_output, int64_t outputs) const;
  void run_epilogue(const TileBlock& tiles, int64_t first_output, int64_t outputs) const;

  const WinogradConv& p_;
  WinogradTiles tiles_;
  int64_t block_tiles_, blocks_, tile_tasks_;
  int64_t panel_tiles_;  // of a block, to whole panels
  int64_t task_outputs_, output_tasks_;
  bool own_weights_;
};

Plan::Plan(const WinogradConv& p)
    : p_(p),
      tiles_(p.images, p.in, p.out, p.pad, p.groups * p.channels * p.in[0] * p.in[1],
             p.groups * p.outputs * p.out[0] * p.out[1]) {
  const int64_t lanes = isa().gemm.f32.lanes;
  const int64_t pairs = p.channels * p.outputs;
  own_weights_ = (tiles_.count <= kFewTiles && pairs >= kManyWeights) ||
                 places_bytes(p.groups * pairs) > kSharedWeightBytes;
  const int64_t wanted = std::min(static_cast<int64_t>(worthwhile_chunks(operations())), kMaxTasks);
  const int64_t share = own_weights_ ? tiles_.count : divide_up(p.groups * tiles_.count, wanted);
  block_tiles_ =
      balanced(tiles_.count, std::clamp(share, kMinTiles, int64_t{kWinogradTiles}), lanes);
  blocks_ = divide_up(tiles_.count, block_tiles_);
  tile_tasks_ = own_weights_ ? 1 : blocks_;
  panel_tiles_ = round_up(block_tiles_, balanced(block_tiles_, isa().gemm.f32.tile_columns, lanes));
  // Each range of outputs transforms the inputs anew, so that it should not be short.
  int64_t parts = own_weights_ ? wanted : std::min(wanted, kMinTasks);
  while (parts > 1 && (p.outputs < parts * kMinOutputs || p.groups * tile_tasks_ * parts > wanted))
    parts /= 2;
  task_outputs_ = round_up(divide_up(p.outputs, parts), isa().gemm.f32.tile_rows);
  output_tasks_ = divide_up(p.outputs, task_outputs_);
}

void Plan::transform_all_weights(float* u) const {
  const int64_t outputs = p_.groups * p_.outputs;
  parallel_for(outputs, divide_up(kWeightGrain, p_.channels), [&](int64_t begin, int64_t end) {
    transform_weights(begin, end, 0, p_.channels, u + begin * p_.channels, all_place());
  });
}

bool Plan::run(int64_t task, const float* shared_weights) const {
  const int64_t first = task % output_tasks_ * task_outputs_;
  const int64_t outputs = std::min(task_outputs_, p_.outputs - first);
  const int64_t tile_task = task / output_tasks_ % tile_tasks_;
  const int64_t group = task / (output_tasks_ * tile_tasks_);
  const int64_t first_output = group * p_.outputs + first;
  if (own_weights_ && blocks_ == 1) return run_few_tiles(first_output, outputs);

  const int64_t block_bytes = places_bytes(p_.channels * panel_tiles_) +
                              places_bytes(std::min(kHeight, outputs) * block_tiles_);
  const int64_t own_bytes = own_weights_ ? places_bytes(outputs * p_.channels) : 0;
  const Scratch scratch(block_bytes + own_bytes);
  float* const memory = scratch.as<float>();
  if (!memory) return false;
  if (!own_weights_) {
    run_block(tile_task, first_output, outputs, shared_weights + first_output * p_.channels,
              all_place(), memory);
    return true;
  }
  float* const u = memory + block_bytes / static_cast<int64_t>(sizeof(float));
  const int64_t u_place = outputs * p_.channels + kWinogradStagger;
  transform_weights(first_output, first_output + outputs, 0, p_.channels, u, u_place);
  for (int64_t block = 0; block < blocks_; ++block)
    run_block(block, first_output, outputs, u, u_place, memory);
  return true;
}

// All tiles in one block: a few channels at a time, so that their transformed weights, which are
// used but once, stay in the cache.
bool Plan::run_few_tiles(int64_t first_output, int64_t outputs) const {
  const GemmLoops<float>& gemm = isa().gemm.f32;
  const WinogradLoops& loops = isa().winograd;
  TileRun runs[kWinogradTiles];
  TileBlock tiles;
  tiles.runs = runs;
  tiles.run_count = tiles_.runs(0, tiles_.count, kWinogradTiles, runs);
  tiles.tiles = round_up(tiles_.count, gemm.lanes);

  const int64_t of_channel = kPlaces * outputs * static_cast<int64_t>(sizeof(float));
  const int64_t depth =
      balanced(p_.channels, std::clamp(kOwnWeightBytes / of_channel, int64_t{gemm.lanes}, kDepth),
               gemm.lanes);
  GemmBlock<float> g;
  g.m = outputs;
  g.n = tiles.tiles;
  g.rows = static_cast<int>(balanced(outputs, gemm.tile_rows, 1));
  g.columns = static_cast<int>(balanced(g.n, gemm.tile_columns, gemm.lanes));
  g.a_col = 1;
  g.b_row = g.columns;
  g.b_panel = g.columns * depth;
  g.c_row = g.n;
  g.bias = nullptr;
  const int64_t v_place = divide_up(g.n, g.columns) * g.b_panel + kWinogradStagger;
  const int64_t u_place = outputs * depth + kWinogradStagger;
  const int64_t products_place = outputs * g.n + kWinogradStagger;
  const Scratch scratch(kPlaces * (v_place + u_place + products_place) *
                        static_cast<int64_t>(sizeof(float)));
  float* const v = scratch.as<float>();
  if (!v) return false;
  float* const u = v + kPlaces * v_place;
  float* const products = u + kPlaces * u_place;

  const int64_t in_plane = p_.in[0] * p_.in[1], out_plane = p_.out[0] * p_.out[1];
  const float* x = p_.x + first_output / p_.outputs * p_.channels * in_plane;
  for (int64_t channel = 0; channel < p_.channels; channel += depth) {
    g.k = std::min(depth, p_.channels - channel);
    g.a_row = g.k;
    g.a_panel = g.rows * g.a_row;
    g.start = channel ? GemmStart::kC : GemmStart::kZero;
    transform_weights(first_output, first_output + outputs, channel, g.k, u, u_place);
    for (int64_t c = 0; c < g.k; ++c, x += in_plane)
      loops.input(tiles, x, p_.in[1], v + c * g.columns, v_place, g.columns, g.b_panel);
    for (int64_t e = 0; e < kPlaces; ++e) {
      g.a = u + e * u_place;
      g.b = v + e * v_place;
      g.c = products + e * products_place;
      gemm.block(g);
    }
  }
  for (int64_t i = 0; i < outputs; ++i)
    loops.output(tiles, products + i * g.n, products_place,
                 p_.bias ? p_.bias[first_output + i] : 0.0f, p_.y + (first_output + i) * out_plane,
                 p_.out[1]);
  run_epilogue(tiles, first_output, outputs);
  return true;
}

void Plan::run_epilogue(const TileBlock& tiles, int64_t first_output, int64_t outputs) const {
  if (!p_.epilogue) return;
  const int64_t width = p_.out[1], plane = p_.out[0] * width;
  const float* const y = p_.y + first_output * plane;
  for (int64_t i = 0; i < tiles.run_count;) {
    const TileRun& run = tiles.runs[i++];
    if (run.out_columns < width) {
      for (int64_t row = 0; row < run.out_rows; ++row)
        p_.epilogue->run(y + run.to + row * width, outputs, plane, run.out_columns);
      continue;
    }
    int64_t size = run.out_rows * width;  // with the whole rows that follow
    for (; i < tiles.run_count && tiles.runs[i].out_columns == width &&
           tiles.runs[i].to == run.to + size;
         ++i)
      size += tiles.runs[i].out_rows * width;
    p_.epilogue->run(y + run.to, outputs, plane, size);
  }
}

// Outputs of one group, counted over all groups. memory: the transformed inputs (places, panels,
// channels, columns), and their products with some rows of weights (places, rows, tiles).
void Plan::run_block(int64_t block, int64_t first_output, int64_t outputs, const float* u,
                     int64_t u_place, float* memory) const {
  const GemmLoops<float>& gemm = isa().gemm.f32;
  const WinogradLoops& loops = isa().winograd;
  const int64_t begin = block * block_tiles_, end = std::min(begin + block_tiles_, tiles_.count);
  TileRun runs[kWinogradTiles];
  TileBlock tiles;
  tiles.runs = runs;
  tiles.run_count = tiles_.runs(begin, end, kWinogradTiles, runs);
  tiles.tiles = round_up(end - begin, gemm.lanes);

  GemmBlock<float> g;
  g.n = tiles.tiles;
  g.rows = static_cast<int>(balanced(outputs, gemm.tile_rows, 1));
  g.columns = static_cast<int>(balanced(g.n, gemm.tile_columns, gemm.lanes));
  g.a_row = p_.channels;
  g.a_col = 1;
  g.a_panel = g.rows * g.a_row;
  g.b_row = g.columns;
  g.b_panel = g.columns * p_.channels;
  g.c_row = g.n;
  g.bias = nullptr;
  const int64_t height = std::min(kHeight / g.rows * g.rows, outputs);
  const int64_t depth = balanced(p_.channels, kDepth, 1);
  float* const v = memory;
  const int64_t v_place = divide_up(g.n, g.columns) * g.b_panel + kWinogradStagger;
  float* const products = v + kPlaces * v_place;
  const int64_t products_place = height * g.n + kWinogradStagger;

  const int64_t in_plane = p_.in[0] * p_.in[1], out_plane = p_.out[0] * p_.out[1];
  const float* x = p_.x + first_output / p_.outputs * p_.channels * in_plane;
  for (int64_t c = 0; c < p_.channels; ++c, x += in_plane)
    loops.input(tiles, x, p_.in[1], v + c * g.columns, v_place, g.columns, g.b_panel);
  for (int64_t m = 0; m < outputs; m += height) {
    g.m = std::min(height, outputs - m);
    for (int64_t e = 0; e < kPlaces; ++e)
      for (int64_t c = 0; c < p_.channels; c += depth) {
        g.k = std::min(depth, p_.channels - c);
        g.start = c ? GemmStart::kC : GemmStart::kZero;
        g.a = u + e * u_place + m * p_.channels + c;
        g.b = v + e * v_place + c * g.columns;
        g.c = products + e * products_place;
        gemm.block(g);
      }
    for (int64_t i = 0; i < g.m; ++i) {
      const int64_t output = first_output + m + i;
      loops.output(tiles, products + i * g.n, products_place, p_.bias ? p_.bias[output] : 0.0f,
                   p_.y + output * out_plane, p_.out[1]);
    }
    run_epilogue(tiles, first_output + m, g.m);
  }
}

}  // namespace

bool winograd_allowed() { return allowed; }
void allow_winograd(bool yes) { allowed = yes; }

bool winograd_wins(const WinogradConv& p) {
  if (!allowed) return false;
  const double c = static_cast<double>(p.channels), m = static_cast<double>(p.outputs);
  const double tiles = static_cast<double>(p.images * divide_up(p.out[0], kWinogradTile) *
                                           divide_up(p.out[1], kWinogradTile));
  const double pixels = static_cast<double>(p.images * p.out[0] * p.out[1]);
  // Multiplications, or their worth in time, for each pair of an input and an output channel.
  const double here = kPlaces * (tiles * (1 + kTileCost / c + kTileCost / m) + kWeightCost);
  const double direct = 9 * pixels;
  return direct > kLeastGain * here;
}

void winograd(const WinogradConv& p) {
  const Plan plan(p);
  const bool shared = !p.transformed && !plan.own_weights();
  const Scratch scratch(shared ? plan.weight_bytes() : 0);
  if (!scratch) throw std::bad_alloc();
  if (shared) plan.transform_all_weights(scratch.as<float>());
  const float* const u = shared ? scratch.as<float>() : p.transformed;
  const int64_t tasks = plan.tasks();
  std::atomic<bool> no_memory{false};
  parallel_for(tasks, worthwhile_chunks(plan.operations()) < 2 ? tasks : 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t task = begin; task < end; ++task)
                   if (!plan.run(task, u)) no_memory = true;
               });
  if (no_memory) throw std::bad_alloc();
}

int64_t winograd_weights_size(const WinogradConv& p) {
  const Plan plan(p);
  if (plan.own_weights() || plan.weight_bytes() > kKeptWeightBytes) return 0;
  return plan.weight_bytes() / static_cast<int64_t>(sizeof(float));
}
void winograd_weights(const WinogradConv& p, float* transformed) {
  Plan(p).transform_all_weights(transformed);
}

}  // namespace pag
