// dw^T = patches . dy^T: rows are weights, summed over pixels. dy is transposed as its panels are
// packed, patches are broadcast from where they lie in a copy of x with its borders.
//
// Chunks of images (or of rows of one) and of input channels are computed apart; the sums of the
// chunks are added in order.
//
// What bounds it: 2 operations for each weight and output pixel; the bytes of x (copied once with
// its borders a chunk of channels) and dy. Measured in a core whose limit is 114 GFLOP/s: 94 to 106
// with 16 or more outputs, 76 where 49 pixels are all there is to sum over; 1x1 weights of one
// small image are a plain product instead, 109 to 113.
//
// Working memory: in each thread the copy (1 MB, or 4 rows) and the packed pixels (256 of all
// outputs); 4 MB for the sums of all chunks.
#include <algorithm>
#include <atomic>
#include <new>
#include <optional>

#include "isa/table.h"
#include "kernels/conv.h"
#include "kernels/conv_groups.h"
#include "kernels/conv_weight_grad_planes.h"
#include "kernels/denormals.h"
#include "kernels/gemm.h"
#include "kernels/numeric.h"
#include "kernels/parallel.h"
#include "kernels/patches.h"
#include "kernels/scratch.h"
#include "kernels/winograd.h"

namespace pag {
namespace {

constexpr int64_t kPixels = 256;     // summed at a time
constexpr int64_t kMinWeights = 96;  // of one output in a chunk of channels
constexpr int64_t kCopyBytes = 1 << 20;
constexpr int64_t kMinRows = 4;         // of an image in a copy
constexpr int64_t kSumBytes = 4 << 20;  // for the sums of all image chunks
constexpr int64_t kMaxChunks = 16;

template <class T>
class WeightGrad {
 public:
  WeightGrad(const Conv2d& g, const T* dy, const T* x);
  void run(T* dw);

 private:
  struct Pixels {  // of one pass: whole images, or rows of one
    int64_t image, images, row, rows;
  };
  bool run_task(int64_t task, T* sums) const;
  void add_products(const Pixels& at, int64_t group, int64_t channel, int64_t channels,
                    const T* copy, T* packed, bool first, T* sums) const;
  void add_tap_sums(const Pixels& at, int64_t group, int64_t channels, const T* copy,
                    T* sums) const;

  const Conv2d& g_;
  const T* dy_;
  const T* x_;
  Axis rows_, cols_;
  int64_t taps_, outputs_, out_pixels_;
  int64_t image_chunks_, row_chunks_, channel_chunks_;
  int64_t chunk_images_, chunk_rows_, chunk_channels_;
  int64_t pass_images_, pass_rows_, copy_image_ = 0;
  bool few_outputs_;  // vectors run along pixels, not along outputs
  int panel_;
  std::optional<Patches> patches_;
  std::vector<int64_t> offsets_;
  std::vector<PixelRun> runs_;
};

template <class T>
WeightGrad<T>::WeightGrad(const Conv2d& g, const T* dy, const T* x)
    : g_(g),
      dy_(dy),
      x_(x),
      rows_(g.h, g.oh, g.kh, g.stride[0], g.dilation[0], g.padding[0]),
      cols_(g.w, g.ow, g.kw, g.stride[1], g.dilation[1], g.padding[1]),
      taps_(rows_.taps() * cols_.taps()),
      outputs_(g.o),
      out_pixels_(g.oh * g.ow) {
  const GemmLoops<T>& gemm = isa().gemm.of<T>();
  constexpr int64_t size = sizeof(T);
  few_outputs_ = 2 * outputs_ < gemm.lanes;
  panel_ = static_cast<int>(balanced(outputs_, gemm.tile_columns, gemm.lanes));

  const int64_t weights = g.groups * g.c * taps_ * outputs_;
  const double work = 2.0 * static_cast<double>(weights) * static_cast<double>(g.n) *
                      static_cast<double>(out_pixels_);
  const int64_t wanted = static_cast<int64_t>(
      std::clamp(work / kChunkOperations, 1.0, static_cast<double>(kMaxChunks)));
  image_chunks_ = std::clamp<int64_t>(kSumBytes / std::max<int64_t>(1, weights * size), 1,
                                      std::min(wanted, g.n));
  chunk_images_ = divide_up(g.n, image_chunks_);
  image_chunks_ = divide_up(g.n, chunk_images_);
  channel_chunks_ = std::clamp<int64_t>(divide_up(wanted, image_chunks_ * g.groups), 1,
                                        std::max<int64_t>(1, g.c * taps_ / kMinWeights));
  chunk_channels_ = divide_up(g.c, channel_chunks_);
  channel_chunks_ = divide_up(g.c, chunk_channels_);
  row_chunks_ = 1;
  if (chunk_images_ == 1) {  // few images, and perhaps few channels
    const int64_t others = image_chunks_ * g.groups * channel_chunks_;
    const int64_t room = kSumBytes / std::max<int64_t>(1, weights * size) / image_chunks_;
    row_chunks_ = std::max<int64_t>(1, std::min({wanted / others, room, g.oh / kMinRows}));
  }
  chunk_rows_ = divide_up(g.oh, row_chunks_);
  row_chunks_ = divide_up(g.oh, chunk_rows_);

  const int64_t row_bytes = Patches(rows_, cols_, 1, size).row() * chunk_channels_ * size;
  pass_rows_ = g.pointwise()
                   ? chunk_rows_
                   : balanced(chunk_rows_,
                              std::max(kMinRows, kCopyBytes / std::max<int64_t>(1, row_bytes)), 1);
  pass_images_ = pass_rows_ < g.oh ? 1 : std::min(chunk_images_, divide_up(kPixels, out_pixels_));
  const Patches& patches = patches_.emplace(rows_, cols_, pass_rows_, size);
  offsets_ = patches.offsets(chunk_channels_);
  copy_image_ = chunk_channels_ * patches.plane();
  runs_ = pixel_runs(pass_images_, copy_image_, patches, pass_rows_, g.ow,
                     few_outputs_ ? gemm.lanes : kPixels, pass_rows_ * g.ow, g.ow);
}

template <class T>
void WeightGrad<T>::run(T* dw) {
  const int64_t weights = g_.groups * g_.c * taps_ * outputs_;
  if (weights == 0) {  // no weight meets the image
    std::fill(dw, dw + g_.groups * outputs_ * g_.c * g_.kh * g_.kw, T(0));
    return;
  }
  const int64_t chunks = image_chunks_ * row_chunks_;
  const Scratch scratch(chunks * weights * static_cast<int64_t>(sizeof(T)));
  T* const sums = scratch.as<T>();
  if (!sums) throw std::bad_alloc();
  std::atomic<bool> no_memory{false};
  const int64_t tasks = chunks * g_.groups * channel_chunks_;
  const double work = 2.0 * static_cast<double>(weights) * static_cast<double>(g_.n * out_pixels_);
  parallel_for(tasks, chunk_grain(tasks, work), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task)
      if (!run_task(task, sums)) no_memory = true;
  });
  if (no_memory) throw std::bad_alloc();
  if (chunks > 1)
    parallel_for(weights, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = 1; chunk < chunks; ++chunk) {
        const T* from = sums + chunk * weights;
        for (int64_t i = begin; i < end; ++i) sums[i] += from[i];
      }
    });

  // (groups, c * taps, o) -> (groups, o, c * taps)
  const int64_t depth = g_.c * taps_;
  if (taps_ == g_.kh * g_.kw) {
    const auto transpose = isa().conv.of<T>().transpose;
    const int64_t block = 64, blocks = divide_up(outputs_, block);
    parallel_for(g_.groups * blocks, std::max<int64_t>(1, kGrain / (depth * block)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t item = begin; item < end; ++item) {
                     const int64_t group = item / blocks, o = item % blocks * block;
                     transpose(depth, std::min(block, outputs_ - o),
                               sums + group * depth * outputs_ + o, outputs_,
                               dw + (group * outputs_ + o) * depth, depth);
                   }
                 });
    return;
  }
  std::fill(dw, dw + g_.groups * outputs_ * g_.c * g_.kh * g_.kw, T(0));
  const T* from = sums;
  for (int64_t group = 0; group < g_.groups; ++group)
    for (int64_t c = 0; c < g_.c; ++c)
      for (const int64_t r : rows_.tap)
        for (const int64_t t : cols_.tap)
          for (int64_t o = 0; o < outputs_; ++o)
            dw[(((group * outputs_ + o) * g_.c + c) * g_.kh + r) * g_.kw + t] = *from++;
}

template <class T>
bool WeightGrad<T>::run_task(int64_t task, T* sums) const {
  const int64_t channel = task % channel_chunks_ * chunk_channels_;
  const int64_t channels = std::min(chunk_channels_, g_.c - channel);
  const int64_t group = task / channel_chunks_ % g_.groups;
  const int64_t chunk = task / channel_chunks_ / g_.groups;
  const int64_t first_image = chunk / row_chunks_ * chunk_images_;
  const int64_t image_end = std::min(g_.n, first_image + chunk_images_);
  const int64_t first_row = chunk % row_chunks_ * chunk_rows_;
  const int64_t row_end = std::min(g_.oh, first_row + chunk_rows_);
  T* const to = sums + ((chunk * g_.groups + group) * g_.c + channel) * taps_ * outputs_;

  const int64_t copied =
      g_.pointwise() && !few_outputs_ ? 0 : pass_images_ * copy_image_ + kPatchSlack;
  const Scratch scratch((copied + kPixels * round_up(outputs_, panel_)) *
                        static_cast<int64_t>(sizeof(T)));
  T* const copy = scratch.as<T>();
  if (!copy) return false;
  if (few_outputs_) std::fill(to, to + channels * taps_ * outputs_, T(0));
  bool first = true;
  Pixels at;
  for (at.image = first_image; at.image < image_end; at.image += pass_images_)
    for (at.row = first_row; at.row < row_end; at.row += pass_rows_) {
      at.images = std::min(pass_images_, image_end - at.image);
      at.rows = std::min(pass_rows_, row_end - at.row);
      if (copied)
        for (int64_t i = 0; i < at.images; ++i)
          patches_->copy(channels,
                         x_ + (((at.image + i) * g_.groups + group) * g_.c + channel) * g_.h * g_.w,
                         at.row, copy + i * copy_image_);
      if (few_outputs_)
        add_tap_sums(at, group, channels, copy, to);
      else
        add_products(at, group, channel, channels, copy, copy + copied, first, to);
      first = false;
    }
  return true;
}

template <class T>
void WeightGrad<T>::add_products(const Pixels& at, int64_t group, int64_t channel, int64_t channels,
                                 const T* copy, T* packed, bool first, T* sums) const {
  const GemmLoops<T>& gemm = isa().gemm.of<T>();
  const int64_t depth = channels * taps_, in_pixels = g_.h * g_.w;
  const int64_t image_pixels = pass_rows_ * g_.ow;  // as the runs count them
  GemmBlock<T> block;
  block.n = outputs_;
  block.columns = panel_;
  block.b = packed;
  block.b_row = panel_;
  block.c_row = outputs_;
  block.bias = nullptr;
  block.m = depth;
  block.a_row = in_pixels;
  block.a_col = 1;
  block.rows = static_cast<int>(balanced(depth, gemm.tile_rows, 1));
  block.a_panel = block.rows * block.a_row;
  block.c = sums;
  std::vector<GatherRow> rows;  // of the column matrix, which are read where they lie in the copy
  for (int64_t row = 0; row < depth; ++row)
    rows.push_back({offsets_[static_cast<size_t>(row)], row});
  std::vector<GatherTerm> terms(kPixels);
  ConvGather<T> product;
  product.m = depth;
  product.x = copy;
  product.rows = rows.data();
  product.terms = terms.data();
  product.c_row = outputs_;
  product.bias = nullptr;

  const PixelRun* run = runs_.data();
  const PixelRun* const end =
      run + static_cast<int64_t>(runs_.size()) / (pass_images_ * pass_rows_) * at.images * at.rows;
  while (run < end) {
    const PixelRun* last = run;
    int64_t pixels = 0;
    // Pointwise products read x where it lies, one image at a time.
    while (last < end && pixels + last->length <= kPixels &&
           !(g_.pointwise() && last->to / image_pixels != run->to / image_pixels))
      pixels += last++->length;
    for (int64_t p = 0; p < pixels;) {  // neighbouring pixels of one image
      const int64_t i = (run->to + p) / image_pixels, pixel = (run->to + p) % image_pixels;
      const int64_t count = std::min(pixels - p, image_pixels - pixel);
      const T* from = dy_ + ((at.image + i) * g_.groups + group) * outputs_ * out_pixels_ +
                      at.row * g_.ow + pixel;
      for (int64_t o = 0; o < outputs_; o += panel_)
        gemm.pack_b(count, std::min<int64_t>(panel_, outputs_ - o), from + o * out_pixels_, 1,
                    out_pixels_, panel_, packed + o * pixels + p * panel_);
      p += count;
    }
    const GemmStart start = first && run == runs_.data() ? GemmStart::kZero : GemmStart::kC;
    if (g_.pointwise()) {
      block.k = pixels;
      block.b_panel = panel_ * pixels;
      block.start = start;
      const int64_t image = at.image + run->to / image_pixels;
      block.a = x_ + ((image * g_.groups + group) * g_.c + channel) * in_pixels + at.row * g_.ow +
                run->to % image_pixels;
      gemm.block(block);
    } else {
      product.k = 0;
      for (const PixelRun* r = run; r < last; ++r)
        for (int64_t p = 0; p < r->length; ++p, ++product.k)
          terms[static_cast<size_t>(product.k)] = {r->from + p, product.k * panel_};
      product.start = start;
      for (int64_t o = 0; o < outputs_; o += panel_) {
        product.n = std::min<int64_t>(panel_, outputs_ - o);
        product.b = packed + o * pixels;
        product.c = sums + o;
        isa().conv.of<T>().gather(product);
      }
    }
    run = last;
  }
}

template <class T>
void WeightGrad<T>::add_tap_sums(const Pixels& at, int64_t group, int64_t channels, const T* copy,
                                 T* sums) const {
  const int64_t runs = static_cast<int64_t>(runs_.size()) / (pass_images_ * pass_rows_) * at.rows;
  for (int64_t i = 0; i < at.images; ++i)
    for (int64_t o = 0; o < outputs_; ++o)
      isa().conv.of<T>().tap_sums(
          channels * taps_, offsets_.data(), copy + i * copy_image_,
          dy_ + (((at.image + i) * g_.groups + group) * outputs_ + o) * out_pixels_ +
              at.row * g_.ow,
          runs_.data(), runs, sums + o, outputs_);
}

// One small image of 1x1: for every group, dw (o, c) = dy (o, pixels) . x^T (pixels, c).
template <class T>
void pointwise(const Conv2d& g, const T* dy, const T* x, T* dw) {
  const int64_t pixels = g.h * g.w;
  GemmBatch batch;
  batch.ndim = 1;
  batch.shape[0] = g.groups;
  batch.a_stride[0] = g.o * pixels;
  batch.b_stride[0] = g.c * pixels;
  batch.c_item = g.o * g.c;
  gemm(Gemm<T>{g.o, g.c, pixels, {dy, pixels, 1}, {x, 1, pixels}, dw, g.c}, batch);
}

// False if Winograd's form has no advantage.
bool try_winograd(const Conv2d& g, const float* dy, const float* x, float* dw) {
  if (!g.small_steps_3x3()) return false;
  WinogradConv p{};
  p.images = g.n;
  p.groups = g.groups;
  p.channels = g.c;
  p.outputs = g.o;
  for (int d = 0; d < 2; ++d) {
    p.in[d] = d ? g.w : g.h;
    p.out[d] = d ? g.ow : g.oh;
    p.pad[d] = g.padding[d];
  }
  p.x = x;
  if (!winograd_weight_grad_wins(p)) return false;
  winograd_weight_grad(p, dy, dw);
  return true;
}
bool try_winograd(const Conv2d&, const double*, const double*, double*) { return false; }

}  // namespace

template <class T>
void conv2d_weight_grad(const Conv2d& g, const T* dy, const T* x, T* dw) {
  const FlushDenormals scope;
  if (any_zero({g.groups, g.o, g.c, g.kh, g.kw})) return;
  if (any_zero({g.n, g.oh, g.ow, g.h, g.w})) {
    std::fill(dw, dw + g.groups * g.o * g.c * g.kh * g.kw, T(0));
    return;
  }
  if (g.pointwise() && g.n == 1 && g.h * g.w <= kPixels) return pointwise(g, dy, x, dw);
  if (try_winograd(g, dy, x, dw)) return;
  if (weight_grad_prefers_groups<T>(g)) return weight_grad_groups(g, dy, x, dw);
  if (weight_grad_prefers_planes<T>(g)) return weight_grad_planes(g, dy, x, dw);
  WeightGrad<T> grad(g, dy, x);
  grad.run(dw);
}

template void conv2d_weight_grad<float>(const Conv2d&, const float*, const float*, float*);
template void conv2d_weight_grad<double>(const Conv2d&, const double*, const double*, double*);

}  // namespace pag
