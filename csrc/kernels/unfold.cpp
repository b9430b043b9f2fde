#include "kernels/unfold.h"

#include <algorithm>

#include "kernels/parallel.h"

namespace pag {
namespace {

// Where tap (row, column) of the windows meets the plane: outputs [begin, end) by [left, right).
struct Meeting {
  int64_t begin, end, left, right;
  int64_t top, first;  // place of output (0, 0) in the plane, perhaps outside
};

int64_t ceil_div(int64_t a, int64_t b) { return a <= 0 ? 0 : (a + b - 1) / b; }

Meeting meet(const PoolShape& s, int64_t row, int64_t column) {
  Meeting m;
  m.top = row * s.dilation[0] - s.padding[0];
  m.first = column * s.dilation[1] - s.padding[1];
  m.end = std::min(s.out_height, ceil_div(s.height - m.top, s.stride[0]));
  m.begin = std::min(m.end, ceil_div(-m.top, s.stride[0]));
  m.right = std::min(s.out_width, ceil_div(s.width - m.first, s.stride[1]));
  m.left = std::min(m.right, ceil_div(-m.first, s.stride[1]));
  return m;
}

}  // namespace

template <class T>
void unfold(const T* x, int64_t planes, const PoolShape& s, T* out) {
  const int64_t length = s.out_height * s.out_width, taps = s.kernel[0] * s.kernel[1];
  if (length == 0) return;
  const int64_t grain = std::max<int64_t>(1, kGrain / length);
  parallel_for(planes * taps, grain, [&](int64_t item, int64_t last) {
    for (; item < last; ++item) {
      const T* from = x + item / taps * s.height * s.width;
      T* to = out + item * length;
      const Meeting m = meet(s, item % taps / s.kernel[1], item % s.kernel[1]);
      std::fill(to, to + m.begin * s.out_width, T{0});
      for (int64_t i = m.begin; i < m.end; ++i) {
        T* line = to + i * s.out_width;
        const T* source = from + (i * s.stride[0] + m.top) * s.width + m.first;
        std::fill(line, line + m.left, T{0});
        if (s.stride[1] == 1)
          std::copy(source + m.left, source + m.right, line + m.left);
        else
          for (int64_t j = m.left; j < m.right; ++j) line[j] = source[j * s.stride[1]];
        std::fill(line + m.right, line + s.out_width, T{0});
      }
      std::fill(to + m.end * s.out_width, to + length, T{0});
    }
  });
}

template <class T>
void fold(const T* columns, int64_t planes, const PoolShape& s, T* out) {
  const int64_t length = s.out_height * s.out_width, taps = s.kernel[0] * s.kernel[1];
  const int64_t size = s.height * s.width;
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, size + taps * length));
  parallel_for(planes, grain, [&](int64_t plane, int64_t last) {
    for (; plane < last; ++plane) {
      T* to = out + plane * size;
      std::fill(to, to + size, T{0});
      for (int64_t tap = 0; tap < taps; ++tap) {
        const T* from = columns + (plane * taps + tap) * length;
        const Meeting m = meet(s, tap / s.kernel[1], tap % s.kernel[1]);
        for (int64_t i = m.begin; i < m.end; ++i) {
          const T* line = from + i * s.out_width;
          T* target = to + (i * s.stride[0] + m.top) * s.width + m.first;
          if (s.stride[1] == 1)
            for (int64_t j = m.left; j < m.right; ++j) target[j] += line[j];
          else
            for (int64_t j = m.left; j < m.right; ++j) target[j * s.stride[1]] += line[j];
        }
      }
    }
  });
}

#define INSTANTIATE(T)                                                  \
  template void unfold<T>(const T*, int64_t, const PoolShape&, T*);     \
  template void fold<T>(const T*, int64_t, const PoolShape&, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
