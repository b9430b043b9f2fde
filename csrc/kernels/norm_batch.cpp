// Channels of single values are columns, worked on in strips; channels of short runs are gathered
// into one row first.
#include "kernels/norm_batch.h"

#include <algorithm>
#include <atomic>

#include "isa/table.h"
#include "kernels/norm_parts.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kShortRun = 16;
constexpr int64_t kColumns = 64;  // of a strip

// Moves one channel between the array and one contiguous row.
template <class T>
void gather(const Runs& from, const T* x, T* row) {
  for (int64_t r = 0; r < from.rows; ++r)
    for (int64_t i = 0; i < from.length; ++i) row[r * from.length + i] = x[r * from.stride + i];
}
template <class T>
void scatter(const Runs& to, const T* row, T* x) {
  for (int64_t r = 0; r < to.rows; ++r)
    for (int64_t i = 0; i < to.length; ++i) x[r * to.stride + i] = row[r * to.length + i];
}

// Calls channel(c, runs, inputs..., output) with pointers to the channel's first run. Where runs
// are short, the channel is gathered into one row first, and scattered afterwards.
template <class T, int Inputs, class Channel>
bool each_channel(const NormShape& s, const T* const (&inputs)[Inputs], T* out,
                  const Epilogue* epilogue, Channel channel) {
  const int64_t count = s.outer * s.inner;
  const bool gathered = s.inner < kShortRun && s.outer > 1;
  const Runs runs = {s.outer, s.inner, s.channels * s.inner};
  std::atomic<bool> no_memory{false};
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, 2 * count));
  parallel_for(s.channels, grain, [&](int64_t begin, int64_t end) {
    const Scratch scratch(gathered ? (Inputs + 1) * count * static_cast<int64_t>(sizeof(T)) : 0);
    if (!scratch) {
      no_memory = true;
      return;
    }
    for (int64_t c = begin; c < end; ++c) {
      const T* at[Inputs];
      T* to = out + c * s.inner;
      for (int k = 0; k < Inputs; ++k) at[k] = inputs[k] + c * s.inner;
      if (!gathered) {
        channel(c, runs, at, to);
        if (epilogue) epilogue->run(to, runs.rows, runs.stride, runs.length);
        continue;
      }
      for (int k = 0; k < Inputs; ++k) {
        gather(runs, at[k], scratch.as<T>() + k * count);
        at[k] = scratch.as<T>() + k * count;
      }
      T* const row = scratch.as<T>() + Inputs * count;
      channel(c, Runs{1, count, count}, at, row);
      scatter(runs, row, to);
      if (epilogue) epilogue->run(to, runs.rows, runs.stride, runs.length);
    }
  });
  return !no_memory;
}

// strip(first column, number of them)
template <class Strip>
void each_strip(const NormShape& s, Strip strip) {
  const int64_t strips = (s.channels + kColumns - 1) / kColumns;
  const int64_t work = 2 * s.outer * std::min(kColumns, s.channels);
  parallel_for(strips, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      strip(i * kColumns, std::min(kColumns, s.channels - i * kColumns));
  });
}

// The statistics of columns: as `statistics` takes them of runs.
template <class T>
void column_statistics(const NormShape& s, const T* x, int64_t width, T* mean, T* var) {
  const NormLoops<T>& loops = isa().norm.of<T>();
  const double n = static_cast<double>(s.outer);
  double sums[kColumns], squares[kColumns];
  T shift[kColumns] = {};
  const int64_t few = std::min<int64_t>(s.outer, 8);
  loops.moments_columns(x, few, s.channels, width, shift, sums, squares);
  for (int64_t j = 0; j < width; ++j)
    shift[j] = s.centred ? static_cast<T>(sums[j] / static_cast<double>(few)) : T{0};
  for (int pass = 0; pass < 2; ++pass) {
    loops.moments_columns(x, s.outer, s.channels, width, shift, sums, squares);
    bool settled = true;
    for (int64_t j = 0; j < width; ++j) {
      if (s.centred) {
        settled &= settle(n, shift[j], sums[j], squares[j], &mean[j], &var[j]);
        shift[j] = mean[j];
      } else {
        mean[j] = 0;
        var[j] = static_cast<T>(squares[j] / n);
      }
    }
    if (settled) break;
  }
}

template <class T>
void normalize_columns(const NormShape& s, double eps, const T* x, const T* weight, const T* bias,
                       T* y, T* mean, T* var) {
  each_strip(s, [&](int64_t first, int64_t width) {
    if (!s.known) column_statistics(s, x + first, width, mean + first, var + first);
    T scale[kColumns], add[kColumns];
    for (int64_t j = 0; j < width; ++j) {
      const T w = weight ? weight[first + j] : T{1};
      scale[j] = static_cast<T>(inverse_deviation(var[first + j], eps)) * w;
      add[j] = bias ? bias[first + j] : T{0};
    }
    isa().norm.of<T>().apply_columns(y + first, x + first, s.outer, s.channels, width, mean + first,
                                     scale, add);
    if (s.epilogue) s.epilogue->run(y + first, s.outer, s.channels, width);
  });
}

// What the sums of g and of g (x - mean) come to for one channel.
template <class T>
struct ChannelGrad {
  ChannelGrad(const NormShape& s, double r, double weight, double g_sum, double gx_sum) {
    const double n = static_cast<double>(s.values());
    scale = static_cast<T>(r * weight);
    shift = static_cast<T>(s.centred ? r * weight * g_sum / n : 0);
    slope = static_cast<T>(r * r * r * weight * gx_sum / n);
  }
  T scale, shift, slope;
};

template <class T>
void columns_grad(const NormShape& s, double eps, const T* g, const T* x, const T* weight,
                  const T* mean, const T* var, T* out, T* weight_sum, T* bias_sum) {
  const NormLoops<T>& loops = isa().norm.of<T>();
  each_strip(s, [&](int64_t first, int64_t width) {
    double g_sum[kColumns], gx_sum[kColumns];
    T scale[kColumns], shift[kColumns], slope[kColumns];
    loops.grad_sums_columns(g + first, x + first, s.outer, s.channels, width, mean + first, g_sum,
                            gx_sum);
    for (int64_t j = 0; j < width; ++j) {
      const int64_t c = first + j;
      const double r = inverse_deviation(var[c], eps);
      const ChannelGrad<T> grad(s, r, weight ? static_cast<double>(weight[c]) : 1.0, g_sum[j],
                                gx_sum[j]);
      scale[j] = grad.scale;
      shift[j] = grad.shift;
      slope[j] = grad.slope;
      if (weight) {
        weight_sum[c] = static_cast<T>(r * gx_sum[j]);
        bias_sum[c] = static_cast<T>(g_sum[j]);
      }
    }
    loops.grad_columns(out + first, g + first, x + first, s.outer, s.channels, width, mean + first,
                       scale, shift, slope);
  });
}

}  // namespace

template <class T>
bool normalize_batch(const NormShape& s, double eps, const T* x, const T* weight, const T* bias,
                     T* y, T* mean, T* var) {
  if (s.inner == 1) {
    normalize_columns(s, eps, x, weight, bias, y, mean, var);
    return true;
  }
  const NormLoops<T>& loops = isa().norm.of<T>();
  const T* const inputs[1] = {x};
  return each_channel(
      s, inputs, y, s.epilogue, [&](int64_t c, const Runs& runs, const T* const* at, T* to) {
        if (!s.known) statistics(runs, s.centred, at[0], &mean[c], &var[c]);
        const T scale =
            static_cast<T>(inverse_deviation(var[c], eps)) * (weight ? weight[c] : T{1});
        for (int64_t r = 0; r < runs.rows; ++r)
          loops.apply(to + r * runs.stride, at[0] + r * runs.stride, runs.length, mean[c], scale,
                      bias ? bias[c] : T{0});
      });
}

template <class T>
bool normalize_batch_grad(const NormShape& s, double eps, const T* g, const T* x, const T* weight,
                          const T* mean, const T* var, T* out, T* weight_sum, T* bias_sum) {
  if (s.inner == 1) {
    columns_grad(s, eps, g, x, weight, mean, var, out, weight_sum, bias_sum);
    return true;
  }
  const NormLoops<T>& loops = isa().norm.of<T>();
  const T* const inputs[2] = {g, x};
  return each_channel(
      s, inputs, out, nullptr, [&](int64_t c, const Runs& runs, const T* const* at, T* to) {
        double g_sum = 0, gx_sum = 0;
        for (int64_t r = 0; r < runs.rows; ++r) {
          double sums[2];
          loops.grad_sums(at[0] + r * runs.stride, at[1] + r * runs.stride, runs.length, mean[c],
                          sums);
          g_sum += sums[0];
          gx_sum += sums[1];
        }
        const double deviation = inverse_deviation(var[c], eps);
        if (weight) {
          weight_sum[c] = static_cast<T>(deviation * gx_sum);
          bias_sum[c] = static_cast<T>(g_sum);
        }
        const ChannelGrad<T> grad(s, deviation, weight ? static_cast<double>(weight[c]) : 1.0,
                                  g_sum, gx_sum);
        for (int64_t r = 0; r < runs.rows; ++r) {
          const int64_t from = r * runs.stride;
          loops.grad(to + from, at[0] + from, at[1] + from, runs.length, mean[c], grad.scale,
                     grad.shift, grad.slope);
        }
      });
}

#define INSTANTIATE(T)                                                                             \
  template bool normalize_batch<T>(const NormShape&, double, const T*, const T*, const T*, T*, T*, \
                                   T*);                                                            \
  template bool normalize_batch_grad<T>(const NormShape&, double, const T*, const T*, const T*,    \
                                        const T*, const T*, T*, T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
