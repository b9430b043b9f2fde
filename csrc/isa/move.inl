// Transposition, in squares of one vector each way that pass through registers.
//
// Bound by memory: 2 bytes moved for each byte of the result. Strips of 64 x 64 elements keep every
// cache line that is touched until it has been used up.
namespace {

constexpr int64_t kSquare = 64;

// out (m, n) = the transpose of x (n, m): out[i * out_row + j] = x[j * x_row + i].
template <class T>
void transpose(T* out, int64_t out_row, const T* x, int64_t x_row, int64_t m, int64_t n) {
  constexpr int L = kLanes<T>;
  const auto square = [&](int64_t i, int64_t j, int height, int width) {
    Vec<T> rows[L];
    PAG_UNROLL
    for (int u = 0; u < L; ++u)
      rows[u] = u < width ? vload_lanes(x + (j + u) * x_row + i, height) : Vec<T>{};
    vtranspose<T>(rows);
    PAG_UNROLL
    for (int u = 0; u < L; ++u)
      if (u < height) vstore_lanes(out + (i + u) * out_row + j, rows[u], width);
  };
  for (int64_t is = 0; is < m; is += kSquare)
    for (int64_t js = 0; js < n; js += kSquare) {
      const int64_t i_end = is + kSquare < m ? is + kSquare : m;
      const int64_t j_end = js + kSquare < n ? js + kSquare : n;
      for (int64_t i = is; i < i_end; i += L)
        for (int64_t j = js; j < j_end; j += L) {
          if (i + L <= i_end && j + L <= j_end)
            square(i, j, L, L);
          else
            square(i, j, static_cast<int>(i_end - i < L ? i_end - i : L),
                   static_cast<int>(j_end - j < L ? j_end - j : L));
        }
    }
}

// The C library's memcpy takes up to half as long again on some processors (AMD's, with rows of any
// length and from any cache).
void copy_bytes(void* to_, const void* from_, int64_t n) {
  typedef uint8_t Bytes __attribute__((vector_size(PAG_VEC_BYTES), aligned(1), may_alias));
  constexpr int64_t kBlock = 4 * PAG_VEC_BYTES;
  char* to = static_cast<char*>(to_);
  const char* from = static_cast<const char*>(from_);
  if (n < kBlock) {
    __builtin_memcpy(to, from, static_cast<size_t>(n));
    return;
  }
  const auto block = [=](int64_t at) __attribute__((always_inline)) {
    Bytes v[4];
    for (int u = 0; u < 4; ++u) v[u] = reinterpret_cast<const Bytes*>(from + at)[u];
    for (int u = 0; u < 4; ++u) reinterpret_cast<Bytes*>(to + at)[u] = v[u];
  };
  for (int64_t at = 0; at + kBlock <= n; at += kBlock) block(at);
  block(n - kBlock);
}

// A number outside has its own sign bit set or that of its distance to the last inside.
bool all_within(const int64_t* index, int64_t n, int64_t size) {
  const VecL last = VecL{} + (size - 1);
  VecL signs[4] = {};
  constexpr int L = kLanes<int64_t>;
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
    for (int u = 0; u < 4; ++u) {
      const VecL at = vload(index + i + u * L);
      signs[u] |= at | (last - at);
    }
  int64_t sign = 0;
  for (; i < n; ++i) sign |= index[i] | (size - 1 - index[i]);
  const VecL all = (signs[0] | signs[1]) | (signs[2] | signs[3]);
  for (int j = 0; j < L; ++j) sign |= all[j];
  return sign >= 0;
}

}  // namespace
