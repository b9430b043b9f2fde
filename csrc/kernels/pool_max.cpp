// Bound by memory: 4 bytes read for each input, 5 written for each output (value and mask), and one
// comparison a tap. Of a plain copy's speed, 2 x 2 windows reach 60-80%; 3 x 3 windows are bound by
// their nine comparisons and reach 10-45% (benchmarks/kernels.py). Windows of their own size are
// bound by what is done across columns, and reach 7-20% of a copy that stays in the cache.
#include "kernels/pool.h"

#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/pool_planes.h"

namespace pag {
namespace {

int64_t outputs(const PoolShape& s) { return s.out_height * s.out_width; }
int64_t plane_size(const PoolShape& s) { return s.height * s.width; }

// 2 x 2 windows side by side, all inside.
bool is_2x2(const PoolShape& s) {
  for (int d = 0; d < 2; ++d)
    if (s.kernel[d] != 2 || s.stride[d] != 2 || s.padding[d] != 0 || s.dilation[d] != 1)
      return false;
  return 2 * s.out_height <= s.height && 2 * s.out_width <= s.width;
}

// 1 x 2 windows side by side, over every value.
bool is_pairs(const PoolShape& s) {
  return s.kernel[0] == 1 && s.stride[0] == 1 && s.padding[0] == 0 && s.kernel[1] == 2 &&
         s.stride[1] == 2 && s.padding[1] == 0 && s.dilation[1] == 1 && s.out_height == s.height &&
         2 * s.out_width == s.width;
}

// Row, column and place of a tap in its window; far outside of every plane where it is no tap.
constexpr int64_t kNoTap = -(int64_t{1} << 60);

class Taps8 {
 public:
  explicit Taps8(const PoolShape& s) {
    for (int64_t t = 0; t < 256; ++t) {
      const bool valid = t < s.kernel[0] * s.kernel[1];
      row_[t] = valid ? t / s.kernel[1] * s.dilation[0] : kNoTap;
      column_[t] = valid ? t % s.kernel[1] * s.dilation[1] : kNoTap;
      place_[t] = valid ? row_[t] * s.width + column_[t] : kNoTap;
    }
  }
  int64_t row(uint8_t tap) const { return row_[tap]; }
  int64_t column(uint8_t tap) const { return column_[tap]; }
  int64_t place(uint8_t tap) const { return place_[tap]; }

 private:
  int64_t row_[256], column_[256], place_[256];
};

class Taps32 {
 public:
  explicit Taps32(const PoolShape& s)
      : taps_(s.kernel[0] * s.kernel[1]),
        kernel_width_(s.kernel[1]),
        width_(s.width),
        step_{s.dilation[0], s.dilation[1]} {}
  int64_t row(int32_t tap) const {
    return tap >= 0 && tap < taps_ ? tap / kernel_width_ * step_[0] : kNoTap;
  }
  int64_t column(int32_t tap) const { return tap % kernel_width_ * step_[1]; }
  int64_t place(int32_t tap) const {
    return tap >= 0 && tap < taps_ ? row(tap) * width_ + column(tap) : kNoTap;
  }

 private:
  int64_t taps_, kernel_width_, width_, step_[2];
};

// Windows along dimension d that lie inside `size` as a whole: [begin, end).
struct Range {
  int64_t begin, end;
};
Range inner_windows(const PoolShape& s, int d, int64_t size, int64_t count) {
  const int64_t room = size + s.padding[d] - (s.kernel[d] - 1) * s.dilation[d] - 1;
  const int64_t end = room < 0 ? 0 : std::min(count, room / s.stride[d] + 1);
  return {std::min(end, (s.padding[d] + s.stride[d] - 1) / s.stride[d]), end};
}

// visit(i, place): output i of the plane and the place of its winner, or a negative number.
template <class Taps, class Mask, class Visit>
void each_winner(const Taps& taps, const Mask* mask, const PoolShape& s, Visit&& visit) {
  const Range rows = inner_windows(s, 0, s.height, s.out_height);
  const Range columns = inner_windows(s, 1, s.width, s.out_width);
  int64_t i = 0;
  for (int64_t r = 0; r < s.out_height; ++r) {
    const int64_t top = r * s.stride[0] - s.padding[0];
    const auto careful = [&](int64_t c, int64_t end) {
      for (; c < end; ++c, ++i) {
        const int64_t row = top + taps.row(mask[i]);
        const int64_t column = c * s.stride[1] - s.padding[1] + taps.column(mask[i]);
        const bool inside = static_cast<uint64_t>(row) < static_cast<uint64_t>(s.height) &&
                            static_cast<uint64_t>(column) < static_cast<uint64_t>(s.width);
        visit(i, inside ? row * s.width + column : -1);
      }
    };
    if (r < rows.begin || r >= rows.end) {
      careful(0, s.out_width);
      continue;
    }
    careful(0, columns.begin);
    int64_t first = top * s.width + columns.begin * s.stride[1] - s.padding[1];
    for (int64_t c = columns.begin; c < columns.end; ++c, ++i, first += s.stride[1])
      visit(i, first + taps.place(mask[i]));
    careful(columns.end, s.out_width);
  }
}

// body(taps, plane) for every plane, in parallel.
template <class Mask, class Body>
void each_masked_plane(int64_t planes, const PoolShape& s, Body&& body) {
  using Taps = std::conditional_t<std::is_same_v<Mask, uint8_t>, Taps8, Taps32>;
  const Taps taps(s);
  parallel_for(planes, planes_a_chunk(plane_size(s) + outputs(s)), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) body(taps, p);
  });
}

int64_t round_up(int64_t n) { return (n + kMostLanes - 1) / kMostLanes * kMostLanes; }

}  // namespace

int64_t pooled_size(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                    bool ceil) {
  const int64_t span = size + 2 * padding - dilation * (kernel - 1) - 1 + (ceil ? stride - 1 : 0);
  if (span < 0) return 0;
  const int64_t count = span / stride + 1;
  return ceil && (count - 1) * stride >= size + padding ? count - 1 : count;
}

template <class T, class Mask>
void max_pool2d(const T* x, int64_t planes, const PoolShape& s, T* out, Mask* mask) {
  if (planes * outputs(s) == 0) return;
  const PoolLoops<T>& loops = isa().pool.of<T>();
  const int64_t work = plane_size(s) + outputs(s) * s.kernel[0] * s.kernel[1];
  if constexpr (std::is_same_v<Mask, uint8_t>) {
    if (is_pairs(s)) {
      parallel_for(planes * outputs(s), kGrain / 2, [&](int64_t begin, int64_t end) {
        loops.max_pairs(out + begin, mask + begin, x + 2 * begin, end - begin);
      });
      return;
    }
    if (s.kernel[0] == 1 && s.stride[1] <= 2) {
      const int64_t read = s.out_width * s.stride[1] + (s.kernel[1] - 1) * s.dilation[1];
      const int64_t room = std::max(read, s.padding[1] + s.width) + 3 * kMostLanes;
      each_plane_with_scratch<T>(planes, work, room, [&](int64_t p, T* row) {
        constexpr T kNone = -std::numeric_limits<T>::infinity();
        std::fill(row, row + s.padding[1], kNone);
        std::fill(row + s.padding[1] + s.width, row + room, kNone);
        loops.max_lines(out + p * outputs(s), mask + p * outputs(s), x + p * plane_size(s), s, row);
      });
      return;
    }
    if (is_2x2(s)) {
      parallel_for(planes, planes_a_chunk(work), [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p)
          loops.max_2x2(out + p * outputs(s), mask + p * outputs(s), x + p * plane_size(s), s);
      });
      return;
    }
  }
  const int64_t stride = s.stride[1], kernel = s.kernel[1], dilation = s.dilation[1];
  const bool by_tap = kernel <= stride;  // a stream for every tap, not for every residue
  PoolStreams streams;
  streams.rows = std::min((s.kernel[0] - 1) * s.dilation[0] + 1, s.height);
  streams.streams = by_tap ? kernel : stride;
  streams.step = by_tap ? dilation : 1;
  streams.length = round_up(s.out_width) + (by_tap ? 0 : (kernel - 1) * dilation / stride);
  std::vector<int64_t> taps(static_cast<size_t>(kernel));
  for (int64_t c = 0; c < kernel; ++c)
    taps[static_cast<size_t>(c)] =
        by_tap ? c * streams.length
               : c * dilation % stride * streams.length + c * dilation / stride;
  int64_t n;
  if (__builtin_mul_overflow(streams.rows, streams.streams * streams.length, &n) ||
      n > INT64_MAX / 16)
    throw std::bad_alloc();
  each_plane_with_scratch<T>(planes, work, n, [&](int64_t p, T* packed) {
    const T* from = x + p * plane_size(s);
    T* to = out + p * outputs(s);
    Mask* winners = mask + p * outputs(s);
    if constexpr (std::is_same_v<Mask, uint8_t>)
      loops.max_u8(to, winners, from, s, streams, taps.data(), packed);
    else
      loops.max_i32(to, winners, from, s, streams, taps.data(), packed);
  });
}

template <class T, class Mask>
void max_pool2d_scatter(const T* g, const Mask* mask, int64_t planes, const PoolShape& s, T* out,
                        const Epilogue* epilogue) {
  const int64_t size = plane_size(s);
  if constexpr (std::is_same_v<Mask, uint8_t>) {
    if (is_pairs(s)) {
      parallel_for(planes * outputs(s), kGrain / 2, [&](int64_t begin, int64_t end) {
        T* const to = out + 2 * begin;
        isa().pool.of<T>().max_pairs_scatter(to, g + begin, mask + begin, end - begin);
        if (epilogue) epilogue->run(to, 1, 2 * (end - begin), 2 * (end - begin));
      });
      return;
    }
    if (is_2x2(s)) {
      const PoolLoops<T>& loops = isa().pool.of<T>();
      parallel_for(planes, planes_a_chunk(plane_size(s)), [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p)
          loops.max_2x2_scatter(out + p * plane_size(s), g + p * outputs(s), mask + p * outputs(s),
                                s);
        if (epilogue) epilogue->run(out + begin * size, 1, size, (end - begin) * size);
      });
      return;
    }
  }
  each_masked_plane<Mask>(planes, s, [&](const auto& taps, int64_t p) {
    T* to = out + p * plane_size(s);
    const T* from = g + p * outputs(s);
    std::fill(to, to + plane_size(s), T{0});
    each_winner(taps, mask + p * outputs(s), s, [&](int64_t i, int64_t place) {
      if (place >= 0) to[place] += from[i];
    });
    if (epilogue) epilogue->run(to, 1, size, size);
  });
}

template <class T, class Mask>
void max_pool2d_gather(const T* x, const Mask* mask, int64_t planes, const PoolShape& s, T* out) {
  each_masked_plane<Mask>(planes, s, [&](const auto& taps, int64_t p) {
    T* to = out + p * outputs(s);
    const T* from = x + p * plane_size(s);
    each_winner(taps, mask + p * outputs(s), s,
                [&](int64_t i, int64_t place) { to[i] = place >= 0 ? from[place] : T{0}; });
  });
}

template <class Mask>
void max_pool2d_indices(const Mask* mask, int64_t planes, const PoolShape& s, int64_t* out) {
  each_masked_plane<Mask>(planes, s, [&](const auto& taps, int64_t p) {
    int64_t* to = out + p * outputs(s);
    each_winner(taps, mask + p * outputs(s), s,
                [&](int64_t i, int64_t place) { to[i] = place >= 0 ? place : -1; });
  });
}

template <class T>
void max_pool2d_windows(const T* x, int64_t planes, int64_t height, int64_t width,
                        const PoolWindows& rows, const PoolWindows& columns, T* out,
                        int64_t* index) {
  const int64_t count = rows.count * columns.count, size = height * width;
  if (planes * count == 0) return;
  if (is_whole(columns, width) && height > 1) {  // rows on end are windows of a single row
    std::vector<int64_t> begin(rows.begin, rows.begin + rows.count),
        end(rows.end, rows.end + rows.count);
    for (int64_t& at : begin) at *= width;
    for (int64_t& at : end) at *= width;
    const int64_t first = 0, last = 1;
    max_pool2d_windows(x, planes, 1, size, {1, &first, &last, nullptr, false},
                       {rows.count, begin.data(), end.data(), nullptr, false}, out, index);
    return;
  }
  using Index = typename Place<T>::type;
  const size_t padded = static_cast<size_t>(columns.count + kMostLanes);
  std::vector<Index> begin(padded), length(padded);
  int64_t longest = 0;
  for (size_t i = 0; i < padded; ++i) {
    const int64_t j = std::min(static_cast<int64_t>(i), columns.count - 1);
    begin[i] = static_cast<Index>(columns.begin[j]);
    length[i] = static_cast<Index>(columns.end[j] - columns.begin[j]);
    longest = std::max<int64_t>(longest, length[i]);
  }
  const PoolColumns<T> across = {columns.count, longest, begin.data(), length.data()};
  static_assert(sizeof(Index) == sizeof(T));
  const int64_t room = width + longest + 3 * kMostLanes;
  each_plane_with_scratch<T>(planes, size, 2 * room, [&](int64_t p, T* best) {
    isa().pool.of<T>().max_windows(out + p * count, index + p * count, x + p * size, width, rows,
                                   across, best, reinterpret_cast<Index*>(best + room));
  });
}

#define INSTANTIATE_MASK(T, Mask)                                                                 \
  template void max_pool2d<T, Mask>(const T*, int64_t, const PoolShape&, T*, Mask*);              \
  template void max_pool2d_scatter<T, Mask>(const T*, const Mask*, int64_t, const PoolShape&, T*, \
                                            const Epilogue*);                                     \
  template void max_pool2d_gather<T, Mask>(const T*, const Mask*, int64_t, const PoolShape&, T*);
#define INSTANTIATE(T)                                                                         \
  INSTANTIATE_MASK(T, uint8_t)                                                                 \
  INSTANTIATE_MASK(T, int32_t)                                                                 \
  template void max_pool2d_windows<T>(const T*, int64_t, int64_t, int64_t, const PoolWindows&, \
                                      const PoolWindows&, T*, int64_t*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE
#undef INSTANTIATE_MASK
template void max_pool2d_indices<uint8_t>(const uint8_t*, int64_t, const PoolShape&, int64_t*);
template void max_pool2d_indices<int32_t>(const int32_t*, int64_t, const PoolShape&, int64_t*);

}  // namespace pag
