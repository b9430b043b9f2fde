#include "kernels/cross_entropy.h"

#include <algorithm>
#include <memory>
#include <new>

#include "isa/table.h"
#include "kernels/denormals.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

constexpr int64_t kBlock = 128;        // most samples of a block
constexpr int64_t kFew = 16;           // classes up to which samples are transposed into columns,
                                       // since a vector of one sample would be mostly empty
constexpr int64_t kWork = kGrain / 2;  // exp costs more than the operations kGrain counts

// Samples that are worked on together: class c of sample j is x[offset + j * sample + c * step].
struct Block {
  int64_t first, count;  // among the targets
  int64_t offset, sample, step;
};

// How the samples are cut into blocks: consecutive rows, or columns of one image.
struct Blocks {
  explicit Blocks(const CrossEntropy& h)
      : h(h),
        width(h.inner == 1 ? std::clamp<int64_t>(kWork / std::max<int64_t>(h.n, 1), 1, kBlock)
                           : std::min(h.inner, kBlock)),
        strips(h.inner == 1 ? 1 : (h.inner + kBlock - 1) / kBlock),
        count(h.inner == 1 ? (h.outer + width - 1) / width : h.outer * strips) {}

  Block at(int64_t i) const {
    if (h.inner == 1)
      return {i * width, std::min(width, h.outer - i * width), i * width * h.n, h.n, 1};
    const int64_t image = i / strips, column = i % strips * kBlock;
    return {image * h.inner + column, std::min(width, h.inner - column),
            image * h.n * h.inner + column, 1, h.inner};
  }
  // body(number of the block, block)
  template <class Body>
  void run(Body&& body) const {
    const int64_t grain = std::max<int64_t>(1, kWork / std::max<int64_t>(1, h.n * width));
    parallel_for(count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(i, at(i));
    });
  }

  const CrossEntropy& h;
  int64_t width, strips, count;
};

// to[c * kBlock + j] = from[j * n + c]
template <class T>
void to_columns(T* to, const T* from, int64_t count, int64_t n) {
  for (int64_t c = 0; c < n; ++c)
    for (int64_t j = 0; j < count; ++j) to[c * kBlock + j] = from[j * n + c];
}

template <class T>
void exp_sums(const Block& b, int64_t n, const T* x, T* top, T* total) {
  const CrossEntropyLoops<T>& loops = isa().cross_entropy.of<T>();
  if (b.step != 1) {
    loops.columns(top, total, x, n, b.step, b.count);
  } else if (n <= kFew) {
    T columns[kFew * kBlock];
    to_columns(columns, x, b.count, n);
    loops.columns(top, total, columns, n, kBlock, b.count);
  } else {
    loops.rows(top, total, x, b.count, n);
  }
}

// out = factor * exp(x - top)
template <class T>
void scaled_exp(const Block& b, int64_t n, const T* x, const T* top, const T* factor, T* out) {
  const CrossEntropyLoops<T>& loops = isa().cross_entropy.of<T>();
  if (b.step != 1) {
    loops.grad_columns(out, x, top, factor, n, b.step, b.count);
  } else if (n <= kFew) {
    T columns[kFew * kBlock];
    to_columns(columns, x, b.count, n);
    loops.grad_columns(columns, columns, top, factor, n, kBlock, b.count);
    for (int64_t j = 0; j < b.count; ++j)
      for (int64_t c = 0; c < n; ++c) out[j * n + c] = columns[c * kBlock + j];
  } else {
    loops.grad_rows(out, x, top, factor, b.count, n);
  }
}

template <class T>
double sum_of_classes(int64_t n, const T* weight) {
  if (!weight) return static_cast<double>(n);
  double sum = 0;
  for (int64_t c = 0; c < n; ++c) sum += static_cast<double>(weight[c]);
  return sum;
}

}  // namespace

int64_t find_bad_class(const int64_t* classes, int64_t count, int64_t n, int64_t ignore_index) {
  for (int64_t i = 0; i < count; ++i)
    if ((classes[i] < 0 || classes[i] >= n) && classes[i] != ignore_index) return i;
  return -1;
}

template <class T>
double sum_of_weights(const int64_t* classes, int64_t count, int64_t ignore_index,
                      const T* weight) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i)
    if (classes[i] != ignore_index) sum += weight ? static_cast<double>(weight[classes[i]]) : 1.0;
  return sum;
}

template <class T>
bool cross_entropy(const CrossEntropy& h, const T* x, const T* weight, T* stats, T* losses,
                   double* sum) {
  const FlushDenormals scope;
  const int64_t samples = h.outer * h.inner, n = h.n;
  const Blocks blocks(h);
  const std::unique_ptr<double[]> partial(
      new (std::nothrow) double[static_cast<size_t>(blocks.count)]);
  if (!partial) return false;
  const double all_weights = sum_of_classes(n, weight);
  const ElementwiseLoop log = isa().elementwise[kOp_log][sizeof(T) == 4 ? kF32 : kF64];
  blocks.run([&](int64_t number, const Block& b) {
    const T* from = x + b.offset;
    T *top = stats + kTop * samples + b.first, *inverse = stats + kInverseTotal * samples + b.first,
      *pull = stats + kPull * samples + b.first, *spread = stats + kSpread * samples + b.first;
    T total[kBlock], log_total[kBlock];
    exp_sums(b, n, from, top, total);
    const void* in[] = {total};
    log(log_total, in, b.count);
    double block_sum = 0;
    for (int64_t j = 0; j < b.count; ++j) {
      const int64_t t = h.classes[b.first + j];
      const T* logits = from + j * b.sample;
      const double log_sum = static_cast<double>(log_total[j]);
      double loss = 0, to_class = 0, to_all = 0;
      if (t != h.ignore_index) {
        to_class = (1 - h.smoothing) * (weight ? static_cast<double>(weight[t]) : 1.0) / h.divisor;
        loss = to_class * (log_sum - static_cast<double>(logits[t * b.step] - top[j]));
        if (h.smoothing > 0) {
          to_all = h.smoothing / (static_cast<double>(n) * h.divisor);
          double below = 0;  // the sum of w_c (x_c - top)
          for (int64_t c = 0; c < n; ++c)
            below +=
                static_cast<double>((weight ? weight[c] : T{1}) * (logits[c * b.step] - top[j]));
          loss += to_all * (all_weights * log_sum - below);
        }
      }
      inverse[j] = T{1} / total[j];
      pull[j] = static_cast<T>(to_class);
      spread[j] = static_cast<T>(to_all);
      if (losses) losses[b.first + j] = static_cast<T>(loss);
      block_sum += loss;
    }
    partial[static_cast<size_t>(number)] = block_sum;
  });
  *sum = 0;
  for (int64_t i = 0; i < blocks.count; ++i) *sum += partial[static_cast<size_t>(i)];
  return true;
}

template <class T>
void cross_entropy_grad(const CrossEntropy& h, const T* g, int64_t g_step, const T* x,
                        const T* weight, const T* stats, T* out) {
  const FlushDenormals scope;
  const int64_t samples = h.outer * h.inner, n = h.n;
  const T all_weights = static_cast<T>(sum_of_classes(n, weight));
  Blocks(h).run([&](int64_t, const Block& b) {
    const T *top = stats + kTop * samples + b.first,
            *inverse = stats + kInverseTotal * samples + b.first,
            *pull = stats + kPull * samples + b.first,
            *spread = stats + kSpread * samples + b.first;
    const T* given = g + b.first * g_step;
    T factor[kBlock];
    for (int64_t j = 0; j < b.count; ++j)
      factor[j] = given[j * g_step] * (pull[j] + spread[j] * all_weights) * inverse[j];
    T* to = out + b.offset;
    scaled_exp(b, n, x + b.offset, top, factor, to);
    for (int64_t j = 0; j < b.count; ++j) {
      const int64_t t = h.classes[b.first + j];
      T* slope = to + j * b.sample;
      if (t >= 0 && t < n) slope[t * b.step] -= given[j * g_step] * pull[j];
      if (spread[j] != 0)
        for (int64_t c = 0; c < n; ++c)
          slope[c * b.step] -= given[j * g_step] * spread[j] * (weight ? weight[c] : T{1});
    }
  });
}

#define INSTANTIATE(T)                                                                            \
  template double sum_of_weights<T>(const int64_t*, int64_t, int64_t, const T*);                  \
  template bool cross_entropy<T>(const CrossEntropy&, const T*, const T*, T*, T*, double*);       \
  template void cross_entropy_grad<T>(const CrossEntropy&, const T*, int64_t, const T*, const T*, \
                                      const T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
