// Bounded by memory. Passes: forward one read for the sums and one for the result, and a write;
// backward two reads of two arrays and a write. The second read comes from cache where the values
// of one statistic fit into it.
#include "kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <new>

#include "isa/table.h"
#include "kernels/denormals.h"
#include "kernels/norm_batch.h"
#include "kernels/norm_parts.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

constexpr int64_t kCached = 1 << 14;  // bytes of a row that a second pass finds in the L1 cache

// Rows of a chunk: enough work for a thread, and few enough chunks that their sums are cheap to
// add.
int64_t rows_of_chunk(int64_t rows, int64_t values) {
  const int64_t enough = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, 2 * values));
  return std::max(enough, (rows + 31) / 32);
}

// Whether all rows have the same weight for each of their values, or none: layer norm and its like.
template <class T>
bool plain_rows(const NormShape& s, const T* weight) {
  return !weight || (s.inner == 1 && s.groups == 1);
}

// The group norms. A row is the values of one statistic: `runs` channels of `inner` values.
template <class T>
bool normalize_groups(const NormShape& s, double eps, const T* x, const T* weight, const T* bias,
                      T* y, T* mean, T* var) {
  const NormLoops<T>& loops = isa().norm.of<T>();
  const int64_t n = s.values(), runs = s.channels / s.groups, rows = s.statistics();
  parallel_for(rows, rows_of_chunk(rows, n), [&](int64_t begin, int64_t end) {
    if (plain_rows(s, weight)) {
      loops.rows(y + begin * n, x + begin * n, end - begin, n, eps, s.centred, weight, bias,
                 mean + begin, var + begin);
      return;
    }
    for (int64_t row = begin; row < end; ++row) {
      const T* from = x + row * n;
      T* to = y + row * n;
      const int64_t channel = row % s.groups * runs;
      if (s.inner == 1) {
        loops.rows(to, from, 1, n, eps, s.centred, weight + channel,
                   bias ? bias + channel : nullptr, mean + row, var + row);
        continue;
      }
      if (n * static_cast<int64_t>(sizeof(T)) <= kCached)
        loops.row_statistics(from, n, s.centred, &mean[row], &var[row]);
      else
        statistics({1, n, n}, s.centred, from, &mean[row], &var[row]);
      loops.apply_runs(to, from, runs, s.inner, mean[row],
                       static_cast<T>(inverse_deviation(var[row], eps)), weight + channel,
                       bias ? bias + channel : nullptr);
    }
  });
  return true;
}

template <class T>
void grad_without_weight(const NormShape& s, double eps, const T* g, const T* x, const T* mean,
                         const T* var, T* out) {
  const int64_t n = s.values(), rows = s.statistics();
  parallel_for(rows, rows_of_chunk(rows, n), [&](int64_t begin, int64_t end) {
    isa().norm.of<T>().grad_rows(out + begin * n, g + begin * n, x + begin * n, end - begin, n, eps,
                                 s.centred, nullptr, mean + begin, var + begin, nullptr, nullptr);
  });
}

// Every value of a row has its own weight. Each chunk of rows has its own sums for the weights, in
// T over blocks of rows and then in double.
template <class T>
bool grad_of_rows(const NormShape& s, double eps, const T* g, const T* x, const T* weight,
                  const T* mean, const T* var, T* out, T* weight_sum, T* bias_sum) {
  const NormLoops<T>& loops = isa().norm.of<T>();
  const int64_t n = s.values(), rows = s.statistics(), channels = s.channels;
  const int64_t length = rows_of_chunk(rows, n), chunks = (rows + length - 1) / length;
  constexpr int64_t kBlock = 64;
  const std::unique_ptr<double[]> totals(
      new (std::nothrow) double[static_cast<size_t>(chunks * 2 * channels)]());
  const std::unique_ptr<T[]> blocks(new (std::nothrow)
                                        T[static_cast<size_t>(chunks * 2 * channels)]());
  if (!totals || !blocks) return false;
  parallel_for(rows, length, [&](int64_t begin, int64_t end) {
    T* block = blocks.get() + begin / length * 2 * channels;
    double* total = totals.get() + begin / length * 2 * channels;
    for (int64_t start = begin; start < end; start += kBlock * s.groups) {
      const int64_t stop = std::min(end, start + kBlock * s.groups);
      const int64_t together = s.groups == 1 ? stop - start : 1;
      for (int64_t row = start; row < stop; row += together) {
        const int64_t channel = row % s.groups * n, at = row * n;
        loops.grad_rows(out + at, g + at, x + at, together, n, eps, s.centred, weight + channel,
                        mean + row, var + row, block + channel, block + channels + channel);
      }
      for (int64_t i = 0; i < 2 * channels; ++i) {
        total[i] += static_cast<double>(block[i]);
        block[i] = 0;
      }
    }
  });
  for (int64_t c = 0; c < channels; ++c) {
    double w = 0, b = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      w += totals[static_cast<size_t>(chunk * 2 * channels + c)];
      b += totals[static_cast<size_t>(chunk * 2 * channels + channels + c)];
    }
    weight_sum[c] = static_cast<T>(w);
    bias_sum[c] = static_cast<T>(b);
  }
  return true;
}

// Every channel has `inner` > 1 values in a row, hence two sums of its own.
template <class T>
bool grad_of_runs(const NormShape& s, double eps, const T* g, const T* x, const T* weight,
                  const T* mean, const T* var, T* out, T* weight_sum, T* bias_sum) {
  const NormLoops<T>& loops = isa().norm.of<T>();
  const int64_t n = s.values(), rows = s.statistics(), runs = s.channels / s.groups;
  const std::unique_ptr<double[]> parts(
      new (std::nothrow) double[static_cast<size_t>(s.outer * s.channels * 2)]);
  if (!parts) return false;
  parallel_for(rows, rows_of_chunk(rows, n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T *from_g = g + row * n, *from_x = x + row * n;
      const double r = inverse_deviation(var[row], eps);
      const T* w = weight + row % s.groups * runs;
      double* part = parts.get() + row * runs * 2;
      double sums[2] = {0, 0};
      loops.grad_sums_runs(from_g, from_x, runs, s.inner, mean[row], part);
      for (int64_t c = 0; c < runs; ++c, part += 2) {
        sums[0] += static_cast<double>(w[c]) * part[0];
        sums[1] += static_cast<double>(w[c]) * part[1];
        part[1] *= r;
      }
      const T shift = static_cast<T>(s.centred ? r * sums[0] / static_cast<double>(n) : 0),
              slope = static_cast<T>(r * r * r * sums[1] / static_cast<double>(n));
      loops.grad_runs(out + row * n, from_g, from_x, runs, s.inner, mean[row], r, w, shift, slope);
    }
  });
  double* const total = parts.get();
  for (int64_t o = 1; o < s.outer; ++o)
    for (int64_t i = 0; i < 2 * s.channels; ++i) total[i] += total[o * 2 * s.channels + i];
  for (int64_t c = 0; c < s.channels; ++c) {
    bias_sum[c] = s.outer ? static_cast<T>(total[2 * c]) : T{0};
    weight_sum[c] = s.outer ? static_cast<T>(total[2 * c + 1]) : T{0};
  }
  return true;
}

}  // namespace

template <class T>
bool normalize(const NormShape& s, double eps, const T* x, const T* weight, const T* bias, T* y,
               T* mean, T* var) {
  const FlushDenormals scope;
  if (!s.groups) return normalize_batch(s, eps, x, weight, bias, y, mean, var);
  const bool done = normalize_groups(s, eps, x, weight, bias, y, mean, var);
  finish(s.epilogue, y, s.outer * s.channels * s.inner);
  return done;
}

template <class T>
bool normalize_grad(const NormShape& s, double eps, const T* g, const T* x, const T* weight,
                    const T* mean, const T* var, T* out, T* weight_sum, T* bias_sum) {
  const FlushDenormals scope;
  if (!s.groups)
    return normalize_batch_grad(s, eps, g, x, weight, mean, var, out, weight_sum, bias_sum);
  if (!weight) {
    grad_without_weight(s, eps, g, x, mean, var, out);
    return true;
  }
  return (s.inner == 1 ? grad_of_rows<T> : grad_of_runs<T>)(s, eps, g, x, weight, mean, var, out,
                                                            weight_sum, bias_sum);
}

#define INSTANTIATE(T)                                                                            \
  template bool normalize<T>(const NormShape&, double, const T*, const T*, const T*, T*, T*, T*); \
  template bool normalize_grad<T>(const NormShape&, double, const T*, const T*, const T*,         \
                                  const T*, const T*, T*, T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
