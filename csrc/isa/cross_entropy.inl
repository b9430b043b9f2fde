// The passes of cross-entropy over its logits: what the loss needs of a row (or, down a strip, of
// a column), and its gradient. Included after softmax.inl, whose maximum and exp these are.

namespace {

template <class T>
void exp_sum_rows(T* top, T* total, const T* x, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, x += n) {
    top[r] = largest_number(x, n);
    const Vec<T> shift = vset(top[r]);
    total[r] =
        static_cast<T>(blocked_sum<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
          const Vec<T> e = exp_normal(vload_lanes(x + i, lanes) - shift);
          return vkeep_lanes<T>(e, lanes, Vec<T>{});
        }));
  }
}

template <class T>
void exp_sum_columns(T* top, T* total, const T* x, int64_t n, int64_t stride, int64_t width) {
  largest_columns(top, x, n, stride, width);
  sum_strip(total, n, width, [&](int64_t r, int64_t j, int lanes) __attribute__((always_inline)) {
    return exp_normal(vload_lanes(x + r * stride + j, lanes) - vload_lanes(top + j, lanes));
  });
}

template <class T>
void scaled_exp_rows(T* out, const T* x, const T* top, const T* factor, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, x += n, out += n) {
    const Vec<T> shift = vset(top[r]), scale = vset(factor[r]);
    each_vector<T>(n, [=](int64_t i, int lanes) __attribute__((always_inline)) {
      vstore_lanes(out + i, scale * exp_normal(vload_lanes(x + i, lanes) - shift), lanes);
    });
  }
}

template <class T>
void scaled_exp_columns(T* out, const T* x, const T* top, const T* factor, int64_t n,
                        int64_t stride, int64_t width) {
  for (int64_t r = 0; r < n; ++r)
    each_vector<T>(width, [&](int64_t j, int lanes) __attribute__((always_inline)) {
      const int64_t at = r * stride + j;
      const Vec<T> e = exp_normal(vload_lanes(x + at, lanes) - vload_lanes(top + j, lanes));
      vstore_lanes(out + at, vload_lanes(factor + j, lanes) * e, lanes);
    });
}

}  // namespace
