// The kernels against plain loops, without Python: what a processor is tested with that has none
// here. Every instruction set of the machine, float32 and float64, odd sizes, several threads.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "isa/table.h"
#include "kernels/conv.h"
#include "kernels/denormals.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/grid.h"
#include "kernels/memory.h"
#include "kernels/parallel.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"
#include "kernels/resample.h"

namespace pag {
namespace {

int failures = 0;
std::mt19937 generator(7);

template <class T>
const char* type_name() {
  return sizeof(T) == 4 ? "float32" : "float64";
}

template <class T>
std::vector<T> random_values(int64_t n, double low = -1, double high = 1) {
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<T> values(static_cast<size_t>(n));
  for (T& x : values) x = static_cast<T>(uniform(generator));
  return values;
}

void report(const std::string& what, int64_t i, double got, double want) {
  if (++failures <= 20)
    std::printf("%s [%s]: item %lld is %.9g, expected %.9g\n", what.c_str(), isa().name,
                static_cast<long long>(i), got, want);
}

// |got - want| <= ulps * epsilon * scale; NaN equals NaN.
template <class T>
void check(const std::string& what, const std::vector<T>& got, const std::vector<double>& want,
           double scale, double ulps = 8) {
  const double bound = ulps * static_cast<double>(std::numeric_limits<T>::epsilon()) * scale;
  for (size_t i = 0; i < want.size(); ++i) {
    const double x = static_cast<double>(got[i]), y = want[i];
    const bool same = x == y || (std::isnan(x) && std::isnan(y)) || std::fabs(x - y) <= bound;
    if (!same) return report(what + " " + type_name<T>(), static_cast<int64_t>(i), x, y);
  }
}

template <class T>
void same_bits(const std::string& what, const std::vector<T>& a, const std::vector<T>& b,
               const char* cause = "the threads") {
  if (std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) != 0)
    report(what + " " + type_name<T>() + ": bits depend on " + cause, 0, 0, 0);
}

// run(out) with 1 and with 3 threads: the same bits.
template <class T, class Run>
std::vector<T> with_threads(const std::string& what, int64_t size, Run&& run) {
  std::vector<T> one(static_cast<size_t>(size), T(77)), three = one;
  set_num_threads(1);
  run(one.data());
  set_num_threads(3);
  run(three.data());
  same_bits(what, one, three);
  return one;
}

// ---- matrix products ----------------------------------------------------------------------------

template <class T>
void test_gemm(int64_t m, int64_t n, int64_t k, bool a_transposed, bool b_transposed,
               GemmStart start) {
  const auto a = random_values<T>(m * k), b = random_values<T>(k * n);
  const auto bias = random_values<T>(m > n ? m : n), before = random_values<T>(m * n);
  Gemm<T> g;
  g.m = m, g.n = n, g.k = k;
  g.a = {a.data(), a_transposed ? 1 : k, a_transposed ? m : 1};
  g.b = {b.data(), b_transposed ? 1 : n, b_transposed ? k : 1};
  g.c_row = n;
  g.start = start;
  g.bias = bias.data();
  const std::string what = "gemm " + std::to_string(m) + "x" + std::to_string(k) + "x" +
                           std::to_string(n) + (a_transposed ? " t" : " n") +
                           (b_transposed ? "t" : "n");
  const auto got = with_threads<T>(what, m * n, [&](T* c) {
    std::copy(before.begin(), before.end(), c);
    g.c = c;
    gemm(g);
  });
  std::vector<double> want;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = start == GemmStart::kC            ? before[static_cast<size_t>(i * n + j)]
                   : start == GemmStart::kRowBias    ? bias[static_cast<size_t>(i)]
                   : start == GemmStart::kColumnBias ? bias[static_cast<size_t>(j)]
                                                     : 0;
      for (int64_t kk = 0; kk < k; ++kk)
        sum += static_cast<double>(g.a.data[i * g.a.row + kk * g.a.col]) *
               static_cast<double>(g.b.data[kk * g.b.row + j * g.b.col]);
      want.push_back(sum);
    }
  check(what, got, want, static_cast<double>(k) + 1, 2);
  if (packed_weights_size(g) == 0) return;
  std::vector<T> packed(static_cast<size_t>(packed_weights_size(g)), T(NAN));
  pack_weights(g, packed.data());
  g.packed_b = packed.data();
  g.b.data = nullptr;
  same_bits(what, got,
            with_threads<T>(what, m * n,
                            [&](T* c) {
                              std::copy(before.begin(), before.end(), c);
                              g.c = c;
                              gemm(g);
                            }),
            "packing");
}

template <class T>
void test_products() {
  const int64_t sizes[][3] = {{1, 1, 1},      {4, 4, 4},     {1, 70, 33},   {37, 1, 50},
                              {5, 67, 9},     {64, 64, 1},   {17, 129, 31}, {96, 96, 96},
                              {130, 75, 260}, {40, 300, 700}};
  for (const auto& s : sizes)
    for (int layout = 0; layout < 4; ++layout)
      test_gemm<T>(s[0], s[1], s[2], layout & 1, layout & 2, GemmStart::kZero);
  for (const GemmStart start : {GemmStart::kC, GemmStart::kRowBias, GemmStart::kColumnBias})
    for (const auto& s : sizes) test_gemm<T>(s[0], s[1], s[2], false, true, start);
}

// ---- convolution --------------------------------------------------------------------------------

// f(index of x, of the weights, of y) for every product of a convolution.
template <class F>
void each_product(const Conv2d& g, F&& f) {
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t group = 0; group < g.groups; ++group)
      for (int64_t o = 0; o < g.o; ++o)
        for (int64_t y = 0; y < g.oh; ++y)
          for (int64_t x = 0; x < g.ow; ++x)
            for (int64_t c = 0; c < g.c; ++c)
              for (int64_t r = 0; r < g.kh; ++r)
                for (int64_t s = 0; s < g.kw; ++s) {
                  const int64_t row = y * g.stride[0] + r * g.dilation[0] - g.padding[0];
                  const int64_t column = x * g.stride[1] + s * g.dilation[1] - g.padding[1];
                  if (row < 0 || row >= g.h || column < 0 || column >= g.w) continue;
                  const int64_t image = (n * g.groups + group) * g.c + c;
                  const int64_t filter = group * g.o + o;
                  f(static_cast<size_t>((image * g.h + row) * g.w + column),
                    static_cast<size_t>(((filter * g.c + c) * g.kh + r) * g.kw + s),
                    static_cast<size_t>(((n * g.groups * g.o + filter) * g.oh + y) * g.ow + x));
                }
}

template <class T>
void test_conv(Conv2d g) {
  const auto out = [](int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
    return (size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  };
  g.oh = out(g.h, g.kh, g.stride[0], g.padding[0], g.dilation[0]);
  g.ow = out(g.w, g.kw, g.stride[1], g.padding[1], g.dilation[1]);
  const auto x = random_values<T>(g.n * g.groups * g.c * g.h * g.w);
  const auto w = random_values<T>(g.groups * g.o * g.c * g.kh * g.kw);
  const auto bias = random_values<T>(g.groups * g.o);
  const auto dy = random_values<T>(g.n * g.groups * g.o * g.oh * g.ow);
  std::vector<double> y(dy.size()), dx(x.size()), dw(w.size());
  for (size_t i = 0; i < y.size(); ++i)
    y[i] = bias[i / static_cast<size_t>(g.oh * g.ow) % bias.size()];
  each_product(g, [&](size_t at_x, size_t at_w, size_t at_y) {
    y[at_y] += static_cast<double>(x[at_x]) * w[at_w];
    dx[at_x] += static_cast<double>(dy[at_y]) * w[at_w];
    dw[at_w] += static_cast<double>(dy[at_y]) * x[at_x];
  });
  const std::string what = "conv " + std::to_string(g.c) + "->" + std::to_string(g.o) + " k" +
                           std::to_string(g.kh) + " s" + std::to_string(g.stride[0]) + " p" +
                           std::to_string(g.padding[0]) + " d" + std::to_string(g.dilation[0]) +
                           " g" + std::to_string(g.groups);
  const double taps = static_cast<double>(g.kh * g.kw);
  const int64_t y_size = static_cast<int64_t>(y.size());
  const auto got =
      with_threads<T>(what, y_size, [&](T* to) { conv2d(g, x.data(), w.data(), bias.data(), to); });
  check(what, got, y, taps * static_cast<double>(g.c));
  const WeightForm form = conv2d_weight_form<T>(g);
  if (conv2d_weights_size<T>(g, form) > 0) {
    std::vector<T> made(static_cast<size_t>(conv2d_weights_size<T>(g, form)), T(NAN));
    conv2d_make_ready(g, form, w.data(), made.data());
    const T* const none = nullptr;
    const ReadyWeights<T> ready{form, made.data()};
    const auto again = with_threads<T>(
        what, y_size, [&](T* to) { conv2d(g, x.data(), none, bias.data(), to, ready); });
    same_bits(what, got, again, "the form of the weights");
  }
  check(what + " input grad",
        with_threads<T>(what, static_cast<int64_t>(dx.size()),
                        [&](T* to) { conv2d_input_grad(g, dy.data(), w.data(), to); }),
        dx, taps * static_cast<double>(g.o));
  check(what + " weight grad",
        with_threads<T>(what, static_cast<int64_t>(dw.size()),
                        [&](T* to) { conv2d_weight_grad(g, dy.data(), x.data(), to); }),
        dw, static_cast<double>(g.n * g.oh * g.ow));
}

template <class T>
void test_convolutions() {
  // n, groups, c, o, h, w, kh, kw, (oh, ow), stride, padding, dilation
  const Conv2d cases[] = {
      {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, {1, 1}, {0, 0}, {1, 1}},
      {2, 1, 3, 5, 9, 11, 3, 3, 0, 0, {1, 1}, {1, 1}, {1, 1}},
      {1, 1, 16, 17, 12, 13, 3, 3, 0, 0, {1, 1}, {1, 1}, {1, 1}},
      {2, 1, 1, 6, 12, 12, 5, 5, 0, 0, {1, 1}, {0, 0}, {1, 1}},
      {2, 1, 8, 7, 13, 10, 3, 2, 0, 0, {2, 3}, {1, 0}, {1, 2}},
      {3, 1, 20, 24, 7, 7, 1, 1, 0, 0, {1, 1}, {0, 0}, {1, 1}},
      {2, 1, 6, 8, 8, 8, 1, 1, 0, 0, {2, 2}, {0, 0}, {1, 1}},
      {2, 12, 1, 1, 14, 15, 5, 5, 0, 0, {1, 1}, {2, 2}, {1, 1}},
      {1, 5, 1, 2, 10, 10, 3, 3, 0, 0, {2, 2}, {1, 1}, {1, 1}},
      {2, 3, 4, 5, 9, 9, 3, 3, 0, 0, {1, 1}, {1, 1}, {2, 2}},
      // Where vectors run along groups:
      {2, 40, 1, 1, 7, 7, 5, 5, 0, 0, {1, 1}, {2, 2}, {1, 1}},
      {3, 17, 1, 1, 9, 5, 3, 3, 0, 0, {2, 2}, {1, 1}, {1, 1}},
      {1, 32, 2, 3, 12, 11, 3, 3, 0, 0, {1, 1}, {1, 0}, {1, 1}},
      {2, 16, 3, 2, 8, 20, 3, 4, 0, 0, {3, 2}, {4, 0}, {1, 2}},
      {1, 21, 1, 2, 45, 40, 5, 3, 0, 0, {2, 1}, {0, 3}, {2, 3}},
      {2, 16, 1, 1, 3, 3, 3, 3, 0, 0, {4, 5}, {3, 7}, {2, 3}},
      // Along images:
      {32, 1, 6, 16, 14, 14, 5, 5, 0, 0, {1, 1}, {0, 0}, {1, 1}},
      {19, 1, 5, 4, 9, 7, 3, 4, 0, 0, {2, 1}, {2, 3}, {1, 2}},
      {33, 2, 3, 5, 12, 10, 5, 3, 0, 0, {1, 2}, {2, 1}, {2, 1}},
      {16, 1, 3, 7, 3, 3, 3, 3, 0, 0, {4, 5}, {3, 7}, {2, 3}},
      // Kernels of which taps outside of the image are not left out:
      {17, 1, 3, 20, 12, 11, 9, 3, 0, 0, {2, 1}, {4, 1}, {1, 1}},
      {2, 16, 1, 1, 11, 12, 3, 9, 0, 0, {2, 1}, {1, 4}, {1, 1}},
      // Where vectors run along outputs:
      {2, 1, 24, 32, 13, 9, 3, 3, 0, 0, {2, 2}, {1, 1}, {1, 1}},
      {4, 1, 24, 70, 20, 20, 3, 3, 0, 0, {2, 2}, {1, 1}, {1, 1}},
      {1, 2, 17, 40, 10, 11, 5, 4, 0, 0, {3, 2}, {2, 1}, {1, 2}},
      {3, 1, 33, 16, 6, 18, 3, 5, 0, 0, {1, 1}, {0, 2}, {1, 1}},
      {2, 1, 16, 64, 3, 3, 3, 3, 0, 0, {4, 5}, {3, 7}, {2, 3}},
      // Winograd's form: weights of all tasks, and of one block of tiles.
      {2, 2, 16, 35, 24, 25, 3, 3, 0, 0, {1, 1}, {1, 1}, {1, 1}},
      {1, 1, 64, 66, 18, 18, 3, 3, 0, 0, {1, 1}, {1, 1}, {1, 1}},
  };
  for (const Conv2d& g : cases) test_conv<T>(g);
}

// ---- element-wise, reductions, pooling ----------------------------------------------------------

template <class T>
void test_elementwise() {
  const DType from[] = {kDTypeOf<T>, kDTypeOf<T>, kDTypeOf<T>};
  const auto both = [&](Opcode op, const char* name, double (*f)(double), double low, double high,
                        double ulps) {
    for (const int64_t n : {1, 3, 7, 8, 33, 100000}) {
      const auto x = random_values<T>(n, low, high);
      Elementwise args;
      args.ndim = args.arity = 1;
      args.shape[0] = n;
      args.strides[0][0] = sizeof(T);
      args.data[0] = x.data();
      const auto got =
          with_threads<T>(name, n, [&](T* out) { elementwise(op, kDTypeOf<T>, args, from, out); });
      for (size_t i = 0; i < x.size(); ++i) {
        const double want = f(static_cast<double>(x[i]));
        check<T>(name, {got[i]}, {want}, std::fabs(want), ulps);
      }
    }
  };
  both(kOp_exp, "exp", std::exp, -80, 80, 2);
  both(kOp_log, "log", std::log, 1e-30, 1e5, 2);
  both(kOp_tanh, "tanh", std::tanh, -10, 10, 3);
  both(kOp_sqrt, "sqrt", std::sqrt, 0, 1e9, 1);
  both(kOp_abs, "abs", std::fabs, -5, 5, 0);
  both(kOp_sigmoid, "sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }, -30, 30, 3);

  // A broadcast row plus a transposed matrix.
  const int64_t rows = 41, columns = 300;
  const auto a = random_values<T>(columns), b = random_values<T>(rows * columns);
  Elementwise args;
  args.ndim = args.arity = 2;
  args.shape[0] = rows, args.shape[1] = columns;
  args.strides[0][0] = 0, args.strides[0][1] = sizeof(T);
  args.strides[1][0] = sizeof(T), args.strides[1][1] = rows * static_cast<int64_t>(sizeof(T));
  args.data[0] = a.data(), args.data[1] = b.data();
  std::vector<double> want;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      want.push_back(static_cast<double>(a[static_cast<size_t>(j)]) +
                     static_cast<double>(b[static_cast<size_t>(j * rows + i)]));
  check("broadcast add",
        with_threads<T>("add", rows * columns,
                        [&](T* out) { elementwise(kOp_add, kDTypeOf<T>, args, from, out); }),
        want, 2, 1);
}

// Tests, choices and casts, of operands that are of two dtypes, repeat or lie apart.
template <class T>
void test_mixed_dtypes() {
  for (const int64_t columns : {1, 7, 10, 64, 255, 700}) {
    const int64_t rows = 150;
    const auto x = random_values<T>(rows * columns, -9, 9);
    std::vector<int32_t> k(static_cast<size_t>(columns));
    for (size_t j = 0; j < k.size(); ++j) k[j] = static_cast<int32_t>(j % 7) - 3;
    Elementwise args;
    args.ndim = args.arity = 2;
    args.shape[0] = rows, args.shape[1] = columns;
    args.strides[0][0] = static_cast<int64_t>(sizeof(T)) * columns, args.strides[0][1] = sizeof(T);
    args.strides[1][0] = 0, args.strides[1][1] = sizeof(int32_t);
    args.data[0] = x.data(), args.data[1] = k.data();
    const DType from[] = {kDTypeOf<T>, kI32, kDTypeOf<T>};
    const int64_t n = rows * columns;
    const auto less = with_threads<uint8_t>(
        "lt", n, [&](uint8_t* out) { elementwise(kOp_lt, kDTypeOf<T>, args, from, out); });
    const auto whole = with_threads<int32_t>("to_int32", n, [&](int32_t* out) {
      elementwise(kOp_to_int32, kDTypeOf<T>, args, from, out);
    });

    Elementwise choice = args;
    choice.arity = 3;
    choice.strides[0][0] = columns, choice.strides[0][1] = 1;
    choice.data[0] = less.data();
    for (int j = 0; j < 2; ++j) {  // the condition is put before the other two
      choice.data[j + 1] = args.data[j];
      for (int d = 0; d < 2; ++d) choice.strides[j + 1][d] = args.strides[j][d];
    }
    const DType of_choice[] = {kU8, kDTypeOf<T>, kI32};
    const auto chosen = with_threads<T>(
        "where", n, [&](T* out) { elementwise(kOp_where, kDTypeOf<T>, choice, of_choice, out); });
    for (size_t i = 0; i < x.size(); ++i) {
      const int32_t right = k[i % k.size()];
      const bool is_less = x[i] < static_cast<T>(right);
      if (less[i] != is_less) report("lt", static_cast<int64_t>(i), less[i], is_less);
      if (whole[i] != static_cast<int32_t>(x[i]))
        report("to_int32", static_cast<int64_t>(i), whole[i], static_cast<double>(x[i]));
      const T want = is_less ? x[i] : static_cast<T>(right);
      if (chosen[i] != want)
        report("where", static_cast<int64_t>(i), static_cast<double>(chosen[i]),
               static_cast<double>(want));
    }
  }
}
// Makes the elements of an array.
template <class T>
class Given : public Producer {
 public:
  explicit Given(const T* x) : x_(x) {}
  void make(int64_t first, int64_t n, void* to) const override {
    std::memcpy(to, x_ + first, static_cast<size_t>(n) * sizeof(T));
  }
  int64_t cost() const override { return 7; }

 private:
  const T* x_;
};

template <class T>
void test_reductions() {
  const int64_t shapes[][3] = {{1, 1, 1},  {3, 1001, 1},   {1, 700, 37},
                               {5, 33, 9}, {2, 100000, 1}, {2, 9000, 20}};
  for (const auto& s : shapes) {
    const int64_t outer = s[0], n = s[1], inner = s[2];
    auto x = random_values<T>(outer * n * inner);
    const auto at = [&](int64_t o, int64_t i, int64_t j) -> T& {
      return x[static_cast<size_t>((o * n + i) * inner + j)];
    };
    std::vector<double> sums, tops;
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t j = 0; j < inner; ++j) {
        long double total = 0;
        double top = -2;
        for (int64_t i = 0; i < n; ++i) {
          const double value = static_cast<double>(at(o, i, j));
          total += value;
          top = value > top ? value : top;
        }
        sums.push_back(static_cast<double>(total));
        tops.push_back(top);
      }
    std::vector<double> got(sums.size());
    sum(x.data(), outer, n, inner, got.data());
    check("sum", std::vector<T>(got.begin(), got.end()), sums, std::sqrt(static_cast<double>(n)));
    const auto produced = with_threads<double>("sum of a producer", outer * inner, [&](double* to) {
      sum_produced<T>(Given<T>(x.data()), outer, n, inner, to);
    });
    same_bits("sum of a producer beside sum", produced, got);
    const auto largest = [&](T* to) { extreme(true, x.data(), outer, n, inner, to); };
    check("max", with_threads<T>("max", outer * inner, largest), tops, 0);
    at(outer - 1, n / 2, inner - 1) = std::numeric_limits<T>::quiet_NaN();
    tops.back() = std::numeric_limits<double>::quiet_NaN();
    check("max of NaN", with_threads<T>("max", outer * inner, largest), tops, 0);
  }
}

template <class T>
void test_max_pool(const PoolShape& s, int64_t planes) {
  const auto x = random_values<T>(planes * s.height * s.width);
  std::vector<double> want;
  for (int64_t p = 0; p < planes; ++p)
    for (int64_t y = 0; y < s.out_height; ++y)
      for (int64_t z = 0; z < s.out_width; ++z) {
        double top = -2;
        for (int64_t r = 0; r < s.kernel[0]; ++r)
          for (int64_t c = 0; c < s.kernel[1]; ++c) {
            const int64_t row = y * s.stride[0] + r * s.dilation[0] - s.padding[0];
            const int64_t column = z * s.stride[1] + c * s.dilation[1] - s.padding[1];
            if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
            const double value = static_cast<double>(
                x[static_cast<size_t>((p * s.height + row) * s.width + column)]);
            top = value > top ? value : top;
          }
        want.push_back(top);
      }
  std::vector<uint8_t> mask(want.size());
  const int64_t size = static_cast<int64_t>(want.size());
  const auto got = with_threads<T>(
      "max_pool2d", size, [&](T* out) { max_pool2d(x.data(), planes, s, out, mask.data()); });
  check("max_pool2d", got, want, 0);
  std::vector<T> gathered(want.size());
  max_pool2d_gather(x.data(), mask.data(), planes, s, gathered.data());
  check("max_pool2d_gather", gathered, want, 0);
}

template <class T>
void test_pooling() {
  test_max_pool<T>({8, 10, 4, 5, {2, 2}, {2, 2}, {0, 0}, {1, 1}}, 7);
  test_max_pool<T>({13, 37, 7, 19, {3, 3}, {2, 2}, {1, 1}, {1, 1}}, 3);
  test_max_pool<T>({12, 9, 4, 7, {3, 2}, {2, 1}, {0, 0}, {2, 2}}, 3);

  const int64_t planes = 3, height = 9, width = 22;
  const auto x = random_values<T>(planes * height * width);
  const int64_t row_begin[] = {0, 3, 5}, row_end[] = {3, 6, 9};
  const int64_t column_begin[] = {0, 2, 10, 21}, column_end[] = {5, 10, 22, 22};
  const double row_factor[] = {0.5, 1, 0.25}, column_factor[] = {1, 0.125, 2, 1};
  const PoolWindows rows = {3, row_begin, row_end, row_factor, false};
  const PoolWindows columns = {4, column_begin, column_end, column_factor, false};
  std::vector<double> want;
  for (int64_t p = 0; p < planes; ++p)
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 4; ++j) {
        double total = 0;
        for (int64_t r = row_begin[i]; r < row_end[i]; ++r)
          for (int64_t c = column_begin[j]; c < column_end[j]; ++c)
            total += static_cast<double>(x[static_cast<size_t>((p * height + r) * width + c)]);
        want.push_back(total * row_factor[i] * column_factor[j]);
      }
  check("avg_pool2d",
        with_threads<T>(
            "avg_pool2d", planes * 12,
            [&](T* out) { avg_pool2d(x.data(), planes, height, width, rows, columns, out); }),
        want, 50);
  std::vector<double> tops;
  for (int64_t p = 0; p < planes; ++p)
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 4; ++j) {
        double top = -2;
        for (int64_t r = row_begin[i]; r < row_end[i]; ++r)
          for (int64_t c = column_begin[j]; c < column_end[j]; ++c)
            top = std::max(
                top, static_cast<double>(x[static_cast<size_t>((p * height + r) * width + c)]));
        tops.push_back(top);
      }
  std::vector<int64_t> places(tops.size());
  check("max_pool2d_windows",
        with_threads<T>("max_pool2d_windows", planes * 12,
                        [&](T* out) {
                          max_pool2d_windows(x.data(), planes, height, width, rows, columns, out,
                                             places.data());
                        }),
        tops, 0);
}

// ---- resampling ---------------------------------------------------------------------------------

template <class T>
void test_resample() {
  const int64_t planes = 3, height = 5, width = 40;
  const auto x = random_values<T>(planes * height * width);
  // Rows in pairs, columns in threes that lie close to each other and far apart.
  for (const int64_t count : {37, 12}) {
    std::vector<int64_t> begin;
    std::vector<double> weight;
    for (int64_t j = 0; j < count; ++j) {
      begin.push_back(j * 37 / (count - 1));
      for (int k = 0; k < 3; ++k) weight.push_back(0.25 * static_cast<double>(k + j % 3 + 1));
    }
    for (const int64_t rows_count : {4, 8}) {
      std::vector<int64_t> rows_begin;
      std::vector<double> rows_weight;
      for (int64_t i = 0; i < rows_count; ++i) {
        rows_begin.push_back(i * 3 / (rows_count - 1));
        rows_weight.insert(rows_weight.end(), {0.5, 2});
      }
      const ResampleTable rows = {rows_count, 2, rows_begin.data(), rows_weight.data()};
      const ResampleTable columns = {count, 3, begin.data(), weight.data()};
      std::vector<double> want;
      for (int64_t p = 0; p < planes; ++p)
        for (int64_t i = 0; i < rows_count; ++i)
          for (int64_t j = 0; j < count; ++j) {
            double total = 0;
            for (int64_t r = 0; r < 2; ++r)
              for (int64_t c = 0; c < 3; ++c) {
                const int64_t row = rows_begin[static_cast<size_t>(i)] + r;
                const int64_t column = begin[static_cast<size_t>(j)] + c;
                total += rows_weight[static_cast<size_t>(2 * i + r)] *
                         weight[static_cast<size_t>(3 * j + c)] *
                         static_cast<double>(
                             x[static_cast<size_t>((p * height + row) * width + column)]);
              }
            want.push_back(total);
          }
      check("resample2d",
            with_threads<T>(
                "resample2d", static_cast<int64_t>(want.size()),
                [&](T* out) { resample2d(x.data(), planes, height, width, &rows, &columns, out); }),
            want, 60);
    }
  }
}

// Of few channels and of many: places at elements give these, and the way back is the adjoint.
template <class T>
void test_grid(int64_t channels) {
  const int64_t height = 7, width = 11, places = height * width;
  GridShape s = {2, channels, places, {2, {width, height, 1}, kBilinear, kZeros, true, {0, 0, 0}}};
  std::vector<T> grid;
  for (int64_t n = 0; n < s.images; ++n)
    for (int64_t i = 0; i < places; ++i)
      for (const double at : {static_cast<double>(i % width) / (width - 1),
                              static_cast<double>(i / width) / (height - 1)})
        grid.push_back(static_cast<T>(2 * at - 1));
  const int64_t size = s.images * channels * places;
  const auto x = random_values<T>(size);
  const std::vector<double> want(x.begin(), x.end());
  check("grid_sample",
        with_threads<T>("grid_sample", size,
                        [&](T* out) { grid_sample(x.data(), grid.data(), s, out); }),
        want, 60);
  check("grid_sample_input_grad",
        with_threads<T>("grid_sample_input_grad", size,
                        [&](T* out) { grid_sample_input_grad(x.data(), grid.data(), s, out); }),
        want, 60);
}

// ---- the rest -----------------------------------------------------------------------------------

// Blocks are aligned, do not overlap, and all of them come back; from several threads at once.
void test_memory() {
  const int64_t before = memory_stats().in_use;
  const auto use = [](unsigned seed) {
    std::mt19937 random(seed);
    struct Held {
      unsigned char* data;
      size_t bytes;
      unsigned char mark;
    };
    std::vector<Held> held;
    const auto intact = [](const Held& h) {
      for (size_t i = 0; i < h.bytes; ++i)
        if (h.data[i] != h.mark) return false;
      return true;
    };
    for (int i = 0; i < 2000; ++i) {
      const size_t bytes = random() % 4 ? random() % 5000 : random() % 400000;
      auto* data = static_cast<unsigned char*>(acquire_memory(static_cast<int64_t>(bytes)));
      const auto mark = static_cast<unsigned char>(random());
      if (!data || reinterpret_cast<uintptr_t>(data) % 64 ||
          memory_size(data) < static_cast<int64_t>(bytes))
        return report("acquire_memory", i, 0, 0);
      std::memset(data, mark, bytes);
      held.push_back({data, bytes, mark});
      if (held.size() > 30 || random() % 3 == 0) {
        const size_t which = random() % held.size();
        if (!intact(held[which])) return report("a block was written by another", i, 0, 0);
        release_memory(held[which].data);
        held[which] = held.back();
        held.pop_back();
      }
      if (i % 500 == 499) empty_cache();
    }
    for (const Held& h : held) {
      if (!intact(h)) report("a block was written by another", 0, 0, 0);
      release_memory(h.data);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 3; ++seed) threads.emplace_back(use, seed);
  for (std::thread& t : threads) t.join();
  const MemoryStats all = memory_stats();
  if (all.in_use != before) report("memory in use", 0, static_cast<double>(all.in_use), 0);
  empty_cache();
  if (memory_stats().cached != 0)
    report("cached when emptied", 0, static_cast<double>(memory_stats().cached), 0);
  if (acquire_memory(INT64_MAX - 5) || acquire_memory(int64_t{1} << 55))
    report("more memory than there is", 0, 1, 0);
  set_cache_limit(1 << 20);
  for (int i = 0; i < 50; ++i) {
    void* data = acquire_memory((i % 7 + 1) * 300000);
    release_memory(data);
    if (memory_stats().cached > 1 << 20)
      report("cached beyond the limit", i, static_cast<double>(memory_stats().cached), 1 << 20);
  }
  set_cache_limit(INT64_MAX);
}

void test_denormals() {
  volatile float tiny = 1e-40f;
  {
    const FlushDenormals scope;
    volatile float twice = tiny * 2;
    if (twice != 0) report("denormals are to count as 0", 0, twice, 0);
    std::atomic<int> kept{0};
    set_num_threads(3);
    parallel_for(1000, 1, [&](int64_t, int64_t) { kept += tiny * 2 != 0; });
    if (kept) report("workers keep denormals", 0, kept, 0);
  }
  volatile float twice = tiny * 2;
  if (twice == 0) report("denormals are to count again", 0, 0, 2e-40);
}

template <class T>
void test_all() {
  test_products<T>();
  test_convolutions<T>();
  test_elementwise<T>();
  test_mixed_dtypes<T>();
  test_reductions<T>();
  test_pooling<T>();
  test_resample<T>();
  test_grid<T>(3);
  test_grid<T>(36);
}

}  // namespace
}  // namespace pag

int main() {
  const char* names[8];
  const int count = pag::available_isas(names, 8);
  for (int i = 0; i < count; ++i) {
    pag::select_isa(names[i]);
    pag::test_all<float>();
    pag::test_all<double>();
    std::printf("%s: done\n", names[i]);
  }
  pag::test_memory();
  pag::test_denormals();
  std::printf("%d failures\n", pag::failures);
  return pag::failures != 0;
}
