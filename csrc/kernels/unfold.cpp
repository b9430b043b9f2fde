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

Meeting meet(const Windows& w, int64_t row, int64_t column) {
  Meeting m;
  m.top = row * w.dilation[0] - w.padding[0];
  m.first = column * w.dilation[1] - w.padding[1];
  m.end = std::min(w.count[0], ceil_div(w.height - m.top, w.stride[0]));
  m.begin = std::min(m.end, ceil_div(-m.top, w.stride[0]));
  m.right = std::min(w.count[1], ceil_div(w.width - m.first, w.stride[1]));
  m.left = std::min(m.right, ceil_div(-m.first, w.stride[1]));
  return m;
}

}  // namespace

template <class T>
void unfold(const Windows& w, const T* x, T* out) {
  const int64_t length = w.columns(), taps = w.taps();
  if (length == 0) return;
  const int64_t grain = std::max<int64_t>(1, kGrain / length);
  parallel_for(w.planes * taps, grain, [&](int64_t item, int64_t last) {
    for (; item < last; ++item) {
      const T* from = x + item / taps * w.height * w.width;
      T* to = out + item * length;
      const Meeting m = meet(w, item % taps / w.kernel[1], item % w.kernel[1]);
      std::fill(to, to + m.begin * w.count[1], T{0});
      for (int64_t i = m.begin; i < m.end; ++i) {
        T* line = to + i * w.count[1];
        const T* source = from + (i * w.stride[0] + m.top) * w.width + m.first;
        std::fill(line, line + m.left, T{0});
        if (w.stride[1] == 1)
          std::copy(source + m.left, source + m.right, line + m.left);
        else
          for (int64_t j = m.left; j < m.right; ++j) line[j] = source[j * w.stride[1]];
        std::fill(line + m.right, line + w.count[1], T{0});
      }
      std::fill(to + m.end * w.count[1], to + length, T{0});
    }
  });
}

template <class T>
void fold(const Windows& w, const T* x, T* out) {
  const int64_t length = w.columns(), taps = w.taps();
  const int64_t size = w.height * w.width;
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, size + taps * length));
  parallel_for(w.planes, grain, [&](int64_t plane, int64_t last) {
    for (; plane < last; ++plane) {
      T* to = out + plane * size;
      std::fill(to, to + size, T{0});
      for (int64_t tap = 0; tap < taps; ++tap) {
        const T* from = x + (plane * taps + tap) * length;
        const Meeting m = meet(w, tap / w.kernel[1], tap % w.kernel[1]);
        for (int64_t i = m.begin; i < m.end; ++i) {
          const T* line = from + i * w.count[1];
          T* target = to + (i * w.stride[0] + m.top) * w.width + m.first;
          if (w.stride[1] == 1)
            for (int64_t j = m.left; j < m.right; ++j) target[j] += line[j];
          else
            for (int64_t j = m.left; j < m.right; ++j) target[j * w.stride[1]] += line[j];
        }
      }
    }
  });
}

#define INSTANTIATE(T)                                   \
  template void unfold<T>(const Windows&, const T*, T*); \
  template void fold<T>(const Windows&, const T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace pag
