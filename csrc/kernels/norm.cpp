// Passes over memory: forward three reads (mean, variance, apply) and a write, of which all but the
// first come from cache where a channel fits; backward two reads of two arrays and a write.
#include "kernels/norm.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "isa/table.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace pag {
namespace {

constexpr int64_t kShortRow = 16;  // shorter rows of a channel are gathered before they are used

// The rows of one channel: `rows` of them, `length` long, `stride` apart.
struct Rows {
  int64_t rows, length, stride;
};

// Moves one channel between the array and one contiguous row.
template <class T>
void gather(const Rows& from, const T* x, T* row) {
  for (int64_t r = 0; r < from.rows; ++r)
    for (int64_t i = 0; i < from.length; ++i) row[r * from.length + i] = x[r * from.stride + i];
}
template <class T>
void scatter(const Rows& to, const T* row, T* x) {
  for (int64_t r = 0; r < to.rows; ++r)
    for (int64_t i = 0; i < to.length; ++i) x[r * to.stride + i] = row[r * to.length + i];
}

// Calls channel(c, rows, inputs..., output) with pointers to the channel's first row. Where rows
// are short, the channel is gathered into one row first, and scattered afterwards.
template <class T, int Inputs, class Channel>
bool each_channel(const NormShape& s, const T* const (&inputs)[Inputs], T* out, Channel channel) {
  const int64_t count = s.outer * s.inner;
  const bool gathered = s.inner < kShortRow && s.outer > 1;
  const Rows rows = {s.outer, s.inner, s.channels * s.inner};
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
        channel(c, rows, at, to);
        continue;
      }
      for (int k = 0; k < Inputs; ++k) {
        gather(rows, at[k], scratch.as<T>() + k * count);
        at[k] = scratch.as<T>() + k * count;
      }
      T* const row = scratch.as<T>() + Inputs * count;
      channel(c, Rows{1, count, count}, at, row);
      scatter(rows, row, to);
    }
  });
  return !no_memory;
}

}  // namespace

template <class T>
bool normalize(const NormShape& s, double eps, const T* x, T* y, T* mean, T* var) {
  const NormLoops<T>& loops = isa().norm.of<T>();
  const double n = static_cast<double>(s.outer) * static_cast<double>(s.inner);
  const T* const inputs[1] = {x};
  return each_channel(s, inputs, y, [&](int64_t c, const Rows& rows, const T* const* at, T* to) {
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < rows.rows; ++r)
      sum += isa().reduce.of<T>().sum(at[0] + r * rows.stride, rows.length);
    const double exact = sum / n;
    mean[c] = static_cast<T>(exact);
    for (int64_t r = 0; r < rows.rows; ++r)
      squares += loops.squares(at[0] + r * rows.stride, rows.length, mean[c]);
    const double rounding = exact - static_cast<double>(mean[c]);  // the mean used is a T
    const double variance = std::max(0.0, squares / n - rounding * rounding);
    var[c] = static_cast<T>(std::isnan(squares) ? squares : variance);
    const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(var[c]) + eps));
    for (int64_t r = 0; r < rows.rows; ++r)
      loops.apply(to + r * rows.stride, at[0] + r * rows.stride, rows.length, mean[c], scale);
  });
}

template <class T>
bool normalize_grad(const NormShape& s, double eps, const T* g, const T* x, const T* mean,
                    const T* var, T* out) {
  const NormLoops<T>& loops = isa().norm.of<T>();
  const double n = static_cast<double>(s.outer) * static_cast<double>(s.inner);
  const T* const inputs[2] = {g, x};
  return each_channel(s, inputs, out, [&](int64_t c, const Rows& rows, const T* const* at, T* to) {
    double g_sum = 0, gx_sum = 0;
    for (int64_t r = 0; r < rows.rows; ++r) {
      double gs, gxs;
      const int64_t from = r * rows.stride;
      loops.grad_sums(at[0] + from, at[1] + from, rows.length, mean[c], &gs, &gxs);
      g_sum += gs;
      gx_sum += gxs;
    }
    const double scale = 1 / std::sqrt(static_cast<double>(var[c]) + eps);
    for (int64_t r = 0; r < rows.rows; ++r) {
      const int64_t from = r * rows.stride;
      loops.grad(to + from, at[0] + from, at[1] + from, rows.length, mean[c], static_cast<T>(scale),
                 static_cast<T>(scale * g_sum / n),
                 static_cast<T>(scale * scale * scale * gx_sum / n));
    }
  });
}

#define INSTANTIATE(T)                                                                    \
  template bool normalize<T>(const NormShape&, double, const T*, T*, T*, T*);             \
  template bool normalize_grad<T>(const NormShape&, double, const T*, const T*, const T*, \
                                  const T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
