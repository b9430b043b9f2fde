// What batch norm and the group norms share: the statistics of the values of one mean.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "isa/table.h"

namespace pag {

// `rows` of them, `length` values long, `stride` apart.
struct Runs {
  int64_t rows, length, stride;
};

template <class T>
double inverse_deviation(T var, double eps) {
  return 1 / std::sqrt(static_cast<double>(var) + eps);
}

// Mean and variance from the sums of d = x - shift and of d^2 over n values. False where so much
// cancels that they should be taken again, around the mean.
template <class T>
bool settle(double n, T shift, double sum, double squares, T* mean, T* var) {
  const double off = sum / n, variance = squares / n - off * off;
  *mean = static_cast<T>(static_cast<double>(shift) + off);
  *var = static_cast<T>(std::isnan(variance) ? variance : std::max(0.0, variance));
  return !(off * off > variance);
}

// In one pass around the mean of the first values, and in another where that was no good guess. An
// uncentred mean counts as 0.
template <class T>
void statistics(const Runs& runs, bool centred, const T* x, T* mean, T* var) {
  const NormLoops<T>& loops = isa().norm.of<T>();
  const double n = static_cast<double>(runs.rows) * static_cast<double>(runs.length);
  double sums[2];
  const auto around = [&](T shift) {
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < runs.rows; ++r) {
      loops.moments(x + r * runs.stride, runs.length, shift, sums);
      sum += sums[0];
      squares += sums[1];
    }
    sums[0] = sum;
    sums[1] = squares;
  };
  if (!centred) {
    around(T{0});
    *mean = 0;
    *var = static_cast<T>(sums[1] / n);
    return;
  }
  const int64_t few = std::min<int64_t>(runs.length, 64);
  loops.moments(x, few, T{0}, sums);
  T shift = static_cast<T>(sums[0] / static_cast<double>(few));
  around(shift);
  if (settle(n, shift, sums[0], sums[1], mean, var)) return;
  shift = *mean;
  around(shift);
  settle(n, shift, sums[0], sums[1], mean, var);
}

}  // namespace pag
