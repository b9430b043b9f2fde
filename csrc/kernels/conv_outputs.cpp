// Each weight of a vector of outputs meets a pixel that is broadcast: no vector ends with a row of
// the image, whatever its size and stride, and taps outside of the image are left out. Weights are
// packed, a few channels at a time, so that outputs are neighbours; results gather as (pixels,
// outputs) and are transposed at the end.
//
// What bounds it: 2 operations for each weight, output pixel and channel; packing reads each weight
// once for every 512 pixels. Measured in a core whose limit is 117 GFLOP/s, taps outside counted:
// 101 to 112 with stride 2 at 64 to 512 channels, input gradients of it 90 to 93 (sums of four
// phases of 1 to 4 taps). At 49 pixels in all, packing takes a fifth of the time: 98 to 106, a
// fifth of which are taps outside.
//
// Working memory of each thread: 256 KB or one channel of copied images, 74 KB of packed weights
// (one channel's, if that is more), 0.5 MB of sums.
#include "kernels/conv_outputs.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <vector>

#include "isa/table.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kDepth = 288;             // weights of one output that are packed at a time
constexpr int64_t kCopyBytes = 256 << 10;   // of their channels' images
constexpr int64_t kTaskPixels = 512;        // whose packed weights are used again,
constexpr int64_t kTaskElements = 1 << 17;  // and times outputs
constexpr int64_t kMinPixels = 128;
constexpr int64_t kLeastPixels = 32;  // where outputs make too few tasks
constexpr int64_t kTasks = 8;

template <class T>
class Outputs {
 public:
  explicit Outputs(const ConvPass<T>& p);
  void run() const;
  int64_t weights_size() const { return g_.groups * packed_offset(outputs_); }
  void pack_all(T* packed) const;

 private:
  struct Task {
    int64_t group, image, images, row, rows, output, outputs;
  };
  // Pixels that meet the same taps: where they read and are written, and what they meet.
  struct Part {
    std::vector<GatherRow> pixels;
    std::vector<GatherTerm> terms;  // of the channels of one pass
  };
  Task task(int64_t number) const;
  bool run_task(const Task& t, const std::vector<Part>& parts) const;
  std::vector<Part> parts_of(const Task& t) const;
  void make_parts();
  void copy(const Task& t, int64_t channel, int64_t channels, T* to) const;
  void pack(int64_t group, int64_t output, int64_t count, int64_t channel, int64_t channels,
            T* to) const;
  // Where the panel that begins with an output lies among the packed weights of a group.
  int64_t packed_offset(int64_t output) const {
    return divide_up(output, panel_) * channels_ * taps_ * panel_;
  }

  const ConvPass<T>& p_;
  const Conv2d& g_;
  int64_t channels_, outputs_, taps_;
  Dimension rows_, cols_;
  double operations_;
  int64_t task_images_ = 1, task_rows_, task_outputs_, pass_channels_;
  int64_t image_tasks_, row_tasks_ = 1, output_tasks_ = 1;
  int64_t copy_row_, copy_plane_;
  int panel_;
  std::vector<std::vector<Part>> parts_;  // of tasks of task_images_,
  std::vector<size_t> which_parts_;       // by their rows
};

template <class T>
Outputs<T>::Outputs(const ConvPass<T>& p)
    : p_(p),
      g_(p.g),
      channels_(p.channels()),
      outputs_(p.outputs()),
      taps_(g_.kh * g_.kw),
      rows_(Dimension::rows(p)),
      cols_(Dimension::cols(p)) {
  const GemmLoops<T>& gemm = isa().gemm.of<T>();
  const int64_t pixels = rows_.out * cols_.out, size = sizeof(T);
  operations_ = 2.0 * static_cast<double>(g_.groups * channels_ * outputs_ * taps_) *
                static_cast<double>(g_.n * g_.oh * g_.ow);
  const int64_t wanted = std::min(static_cast<int64_t>(worthwhile_chunks(operations_)), kTasks);
  // Outputs are divided first: that repeats the copies of images, but no packing.
  panel_ = static_cast<int>(balanced(outputs_, gemm.tile_columns, gemm.lanes));
  const int64_t pixel_tasks = divide_up(g_.n * g_.groups * pixels, kTaskPixels);
  const int64_t parts = std::min(divide_up(wanted, pixel_tasks), divide_up(outputs_, panel_));
  task_outputs_ = round_up(divide_up(outputs_, parts), panel_);
  output_tasks_ = divide_up(outputs_, task_outputs_);

  const int64_t others = g_.groups * output_tasks_;
  const int64_t most = std::clamp(kTaskElements / task_outputs_, kMinPixels, kTaskPixels);
  const int64_t least = std::max<int64_t>(1, wanted / others);  // tasks of pixels
  task_images_ = std::clamp<int64_t>(std::min(most / pixels, g_.n / least), 1, g_.n);
  image_tasks_ = divide_up(g_.n, task_images_);
  task_rows_ = rows_.out;
  if (task_images_ == 1) {
    const int64_t units = divide_up(rows_.out, rows_.step);
    const int64_t cuts = std::min(divide_up(least, image_tasks_), divide_up(pixels, kLeastPixels));
    task_rows_ =
        divide_up(units, std::clamp<int64_t>(std::max(divide_up(pixels, most), cuts), 1, units)) *
        rows_.step;
    row_tasks_ = divide_up(rows_.out, task_rows_);
  }

  copy_row_ = cols_.extent(cols_.out);
  copy_plane_ = rows_.extent(task_rows_) * copy_row_;
  if (copy_plane_ * size % 4096 < 64) copy_plane_ += 64 / size;  // they would collide in L1
  const int64_t fitting = kCopyBytes / (task_images_ * copy_plane_ * size);
  pass_channels_ = balanced(channels_, std::max<int64_t>(1, std::min(fitting, kDepth / taps_)), 1);
  make_parts();
}

template <class T>
typename Outputs<T>::Task Outputs<T>::task(int64_t number) const {
  Task t;
  t.output = number % output_tasks_ * task_outputs_;
  t.outputs = std::min(task_outputs_, outputs_ - t.output);
  number /= output_tasks_;
  t.row = number % row_tasks_ * task_rows_;
  t.rows = std::min(task_rows_, rows_.out - t.row);
  number /= row_tasks_;
  t.image = number % image_tasks_ * task_images_;
  t.images = std::min(task_images_, g_.n - t.image);
  t.group = number / image_tasks_;
  return t;
}

template <class T>
std::vector<typename Outputs<T>::Part> Outputs<T>::parts_of(const Task& t) const {
  std::vector<Part> all;
  // Few pixels stay together: loops over one or two at the border would take longer than zeros.
  const bool few = t.images * t.rows * cols_.out < kMinPixels;
  const std::vector<EqualTaps> columns = cols_.by_taps(0, cols_.out, few);
  for (const EqualTaps& r : rows_.by_taps(t.row, t.row + t.rows, few))
    for (const EqualTaps& c : columns) {
      Part part;
      part.pixels.reserve(static_cast<size_t>(t.images) * r.places.size() * c.places.size());
      for (int64_t i = 0; i < t.images; ++i)
        for (const int64_t y : r.places)
          for (const int64_t x : c.places)
            part.pixels.push_back({i * pass_channels_ * copy_plane_ +
                                       y / rows_.step * rows_.source_step * copy_row_ +
                                       x / cols_.step * cols_.source_step,
                                   (i * t.rows + y) * cols_.out + x});
      const std::vector<TapAt>& down = rows_.phases[r.met.phase].taps;
      const std::vector<TapAt>& across = cols_.phases[c.met.phase].taps;
      part.terms.reserve(static_cast<size_t>(pass_channels_) * r.met.count() * c.met.count());
      for (int64_t k = 0; k < pass_channels_; ++k)
        for (size_t v = r.met.first; v < r.met.last; ++v)
          for (size_t h = c.met.first; h < c.met.last; ++h)
            part.terms.push_back({k * copy_plane_ + (down[v].from - rows_.low) * copy_row_ +
                                      across[h].from - cols_.low,
                                  (k * taps_ + down[v].tap * g_.kw + across[h].tap) * panel_});
      all.push_back(std::move(part));
    }
  return all;
}

// Tasks whose rows meet the same taps share their parts.
template <class T>
void Outputs<T>::make_parts() {
  std::vector<std::vector<TapRange>> known;
  which_parts_.reserve(static_cast<size_t>(row_tasks_));
  for (int64_t i = 0; i < row_tasks_; ++i) {
    const Task t = task(i * output_tasks_);
    std::vector<TapRange> met;
    met.reserve(static_cast<size_t>(t.rows));
    for (int64_t y = 0; y < t.rows; ++y) met.push_back(rows_.met(t.row + y));
    const auto found = std::find(known.begin(), known.end(), met);
    which_parts_.push_back(static_cast<size_t>(found - known.begin()));
    if (found != known.end()) continue;
    known.push_back(std::move(met));
    parts_.push_back(parts_of(t));
  }
}

template <class T>
void Outputs<T>::copy(const Task& t, int64_t channel, int64_t channels, T* to) const {
  const int64_t top = t.row / rows_.step * rows_.source_step + rows_.low;
  const int64_t height = rows_.extent(t.rows), width = copy_row_;
  const int64_t above = std::clamp<int64_t>(-top, 0, height);
  const int64_t within = std::clamp<int64_t>(rows_.in - top, above, height) - above;
  PaddedPiece piece;
  piece.left = std::clamp<int64_t>(-cols_.low, 0, width);
  piece.from = std::max<int64_t>(0, cols_.low);
  piece.count = std::clamp<int64_t>(cols_.in - cols_.low, piece.left, width) - piece.left;
  for (int64_t i = 0; i < t.images; ++i)
    for (int64_t k = 0; k < channels; ++k) {
      const T* from = p_.x + (((t.image + i) * g_.groups + t.group) * channels_ + channel + k) *
                                 rows_.in * cols_.in;
      isa().conv.of<T>().pad_rows(
          above, within, height - above - within, within ? from + (top + above) * cols_.in : from,
          cols_.in, 1, &piece, 1, width, to + (i * pass_channels_ + k) * copy_plane_, width);
    }
}

// (channels, taps, panel), of `count` outputs, which a panel holds.
template <class T>
void Outputs<T>::pack(int64_t group, int64_t output, int64_t count, int64_t channel,
                      int64_t channels, T* to) const {
  const auto pack_b = isa().gemm.of<T>().pack_b;
  const T* from = p_.weights + group * g_.o * g_.c * taps_;
  if (!p_.gradient) {
    from += (output * g_.c + channel) * taps_;
    pack_b(channels * taps_, count, from, 1, g_.c * taps_, panel_, to);
    return;
  }
  from += (channel * g_.c + output) * taps_;
  for (int64_t k = 0; k < channels; ++k) {
    const T* const next = from + (k + 1) * g_.c * taps_;  // nothing else foresees that step
    for (int64_t i = 0; i < count * taps_ && k + 1 < channels; i += 64 / sizeof(T))
      __builtin_prefetch(next + i);
    pack_b(taps_, count, from + k * g_.c * taps_, 1, taps_, panel_, to + k * taps_ * panel_);
  }
}

template <class T>
void Outputs<T>::pack_all(T* packed) const {
  const int64_t panels = divide_up(outputs_, panel_);
  parallel_for(g_.groups * panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t output = i % panels * panel_;
      pack(i / panels, output, std::min<int64_t>(panel_, outputs_ - output), 0, channels_,
           packed + i * packed_offset(panel_));
    }
  });
}

template <class T>
bool Outputs<T>::run_task(const Task& t, const std::vector<Part>& parts) const {
  const ConvLoops<T>& conv = isa().conv.of<T>();
  const int64_t pixels = t.images * t.rows * cols_.out;
  const int64_t copied = round_up(t.images * pass_channels_ * copy_plane_ + 64, 64);
  const int64_t packed = p_.packed ? 0 : pass_channels_ * taps_ * panel_;
  const Scratch scratch((copied + packed + pixels * t.outputs) * static_cast<int64_t>(sizeof(T)));
  T* const memory = scratch.as<T>();
  if (!memory) return false;
  ConvGather<T> product;
  product.x = memory;
  product.b = memory + copied;
  product.c_row = t.outputs;
  T* const sums = memory + copied + packed;
  for (int64_t channel = 0; channel < channels_; channel += pass_channels_) {
    const int64_t channels = std::min(pass_channels_, channels_ - channel);
    copy(t, channel, channels, memory);
    for (int64_t m = 0; m < t.outputs; m += panel_) {
      product.n = std::min<int64_t>(panel_, t.outputs - m);
      if (p_.packed)
        product.b = p_.packed + t.group * packed_offset(outputs_) + packed_offset(t.output + m) +
                    channel * taps_ * panel_;
      else
        pack(t.group, t.output + m, product.n, channel, channels, memory + copied);
      product.c = sums + m;
      product.start = channel ? GemmStart::kC : p_.bias ? GemmStart::kColumnBias : GemmStart::kZero;
      product.bias = p_.bias ? p_.bias + t.group * outputs_ + t.output + m : nullptr;
      for (const Part& part : parts) {
        product.m = static_cast<int64_t>(part.pixels.size());
        product.rows = part.pixels.data();
        product.k = static_cast<int64_t>(part.terms.size()) / pass_channels_ * channels;
        product.terms = part.terms.data();
        conv.gather(product);
      }
    }
  }
  const int64_t plane = rows_.out * cols_.out, size = t.rows * cols_.out;
  for (int64_t i = 0; i < t.images; ++i) {
    T* const out = p_.out + (((t.image + i) * g_.groups + t.group) * outputs_ + t.output) * plane +
                   t.row * cols_.out;
    conv.transpose(size, t.outputs, sums + i * size * t.outputs, t.outputs, out, plane);
    if (g_.epilogue) g_.epilogue->run(out, t.outputs, plane, size);
  }
  return true;
}

template <class T>
void Outputs<T>::run() const {
  const int64_t tasks = g_.groups * image_tasks_ * row_tasks_ * output_tasks_;
  const int64_t grain = std::max<int64_t>(
      1, static_cast<int64_t>(static_cast<double>(tasks) / worthwhile_chunks(operations_)));
  std::atomic<bool> no_memory{false};
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Task t = task(i);
      const size_t rows = static_cast<size_t>(t.row / task_rows_);
      if (!run_task(t, t.images == task_images_ ? parts_[which_parts_[rows]] : parts_of(t)))
        no_memory = true;
    }
  });
  if (no_memory) throw std::bad_alloc();
}

}  // namespace

// Measured: packing a weight costs half a cycle, and so does what happens to a sum after the
// product. Where outputs fill one vector only, each load serves fewer multiplications.
template <class T>
double outputs_cost(const ConvPass<T>& p) {
  const Conv2d& g = p.g;
  const auto count = [](int64_t n) { return static_cast<double>(n); };
  const double outputs = count(p.outputs());
  const double weights = count(p.channels()) * outputs * count(g.kh) * count(g.kw);
  const double pixels = std::min(count(g.n) * count(p.output_pixels()), count(kTaskPixels));
  const int64_t vectors = divide_up(p.outputs(), isa().gemm.of<T>().lanes);
  return p.depth() * (vectors == 1 ? 1.15 : count(vectors)) + 0.5 * outputs +
         0.5 * weights / pixels;
}

template <class T>
void conv_outputs(const ConvPass<T>& p) {
  Outputs<T>(p).run();
}

template <class T>
int64_t outputs_weights_size(const ConvPass<T>& p) {
  return Outputs<T>(p).weights_size();
}
template <class T>
void pack_outputs_weights(const ConvPass<T>& p, T* packed) {
  Outputs<T>(p).pack_all(packed);
}

template double outputs_cost<float>(const ConvPass<float>&);
template double outputs_cost<double>(const ConvPass<double>&);
template void conv_outputs<float>(const ConvPass<float>&);
template void conv_outputs<double>(const ConvPass<double>&);
template int64_t outputs_weights_size<float>(const ConvPass<float>&);
template int64_t outputs_weights_size<double>(const ConvPass<double>&);
template void pack_outputs_weights<float>(const ConvPass<float>&, float*);
template void pack_outputs_weights<double>(const ConvPass<double>&, double*);

}  // namespace pag
