// matmul and linear: shapes, batch broadcasting and strides; the product is kernels/gemm.
#include "kernels/gemm.h"

#include <algorithm>

#include "bindings/common.h"

namespace pag {
namespace {

int64_t itemsize(const Array& a) { return PyArray_ITEMSIZE(a.array()); }

// The operand itself where the kernel can read it: elements aligned, of native byte order, and one
// of the last two dimensions contiguous. A copy otherwise.
Array readable(const Array& a) {
  const int row = a.ndim() - 2, col = a.ndim() - 1;
  bool fits = PyArray_ISBEHAVED_RO(a.array());
  for (int d = 0; d < a.ndim(); ++d) fits &= a.stride(d) % itemsize(a) == 0;
  fits = fits && (a.stride(row) == itemsize(a) || a.stride(col) == itemsize(a));
  return fits ? a : contiguous(a);
}

template <class T>
Matrix<T> matrix(const Array& a) {
  const int row = a.ndim() - 2, col = a.ndim() - 1;
  constexpr int64_t size = sizeof(T);
  Matrix<T> m = {a.data<const T>(), a.stride(row) / size, a.stride(col) / size};
  if (m.row == 1 || m.col == 1) return m;
  (a.shape(col) == 1 ? m.col : m.row) = 1;  // the stride of a single element has no meaning
  return m;
}

// Work for KernelScope, which looks at no more than its order of magnitude.
int64_t work(int64_t items, int64_t m, int64_t n, int64_t k) {
  return static_cast<int64_t>(std::min(1e18, static_cast<double>(items) * static_cast<double>(m) *
                                                 static_cast<double>(n) * static_cast<double>(k)));
}

// Fills the broadcast batch shape of two operands and their steps, in elements.
void broadcast_batch(const Array& a, const Array& b, GemmBatch* batch, npy_intp* shape) {
  const int ndim = std::max(a.ndim(), b.ndim()) - 2;
  if (ndim > kMaxBatchDims) throw py::value_error("matmul: too many dimensions");
  batch->ndim = ndim;
  for (int d = 0; d < ndim; ++d) {
    const int in_a = d - (ndim - (a.ndim() - 2)), in_b = d - (ndim - (b.ndim() - 2));
    const int64_t na = in_a < 0 ? 1 : a.shape(in_a), nb = in_b < 0 ? 1 : b.shape(in_b);
    if (na != nb && na != 1 && nb != 1)
      throw py::value_error("matmul: batch dimensions of shapes " + shape_string(a) + " and " +
                            shape_string(b) + " do not broadcast: " + std::to_string(na) +
                            " != " + std::to_string(nb));
    shape[d] = batch->shape[d] = na == 1 ? nb : na;
    batch->a_stride[d] = na == 1 ? 0 : a.stride(in_a) / itemsize(a);
    batch->b_stride[d] = nb == 1 ? 0 : b.stride(in_b) / itemsize(b);
  }
}

// Where all products share B and the rows of A follow each other across the batch, the batch is
// one tall product.
template <class T>
void merge_batch_into_rows(Gemm<T>* g, GemmBatch* batch) {
  int64_t rows = g->m;
  for (int d = batch->ndim - 1; d >= 0; --d) {
    if (batch->shape[d] != 1 && (batch->b_stride[d] != 0 || batch->a_stride[d] != rows * g->a.row))
      return;
    rows *= batch->shape[d];
  }
  g->m = rows;
  batch->ndim = 0;
}

template <class T>
void run_matmul(const Array& a, const Array& b, GemmBatch batch, const Array& out) {
  const int last = out.ndim() - 1;
  Gemm<T> g;
  g.m = out.shape(last - 1);
  g.n = out.shape(last);
  g.k = a.shape(a.ndim() - 1);
  g.a = matrix<T>(a);
  g.b = matrix<T>(b);
  g.c = out.data<T>();
  g.c_row = g.n;
  batch.c_item = g.m * g.n;
  if (batch.ndim) merge_batch_into_rows(&g, &batch);
  gemm(g, batch);
}

// (..., m, k), (..., k, n) -> (..., m, n)
Array matmul(const Array& a_in, const Array& b_in) {
  const bool single = check_float("matmul", {&a_in, &b_in});
  if (a_in.ndim() < 2 || b_in.ndim() < 2)
    throw py::value_error("matmul: expected arrays with at least 2 dimensions, got shapes " +
                          shape_string(a_in) + " and " + shape_string(b_in));
  const int64_t k = a_in.shape(a_in.ndim() - 1), k_b = b_in.shape(b_in.ndim() - 2);
  if (k != k_b)
    throw py::value_error("matmul: shapes " + shape_string(a_in) + " and " + shape_string(b_in) +
                          " do not multiply: " + std::to_string(k) + " != " + std::to_string(k_b));
  const Array a = readable(a_in), b = readable(b_in);
  GemmBatch batch;
  npy_intp shape[kMaxBatchDims + 2];
  broadcast_batch(a, b, &batch, shape);
  shape[batch.ndim] = a.shape(a.ndim() - 2);
  shape[batch.ndim + 1] = b.shape(b.ndim() - 1);
  const Array out = new_array(a.typenum(), batch.ndim + 2, shape);
  const KernelScope scope(work(out.size(), 1, 1, k));
  with_float(single, [&](auto t) { run_matmul<decltype(t)>(a, b, batch, out); });
  return out;
}

template <class T>
void run_linear(const Array& x, const Array& w, const T* bias, const Array& out) {
  const Matrix<T> weight = matrix<T>(w);
  Gemm<T> g;
  g.m = x.shape(0);
  g.n = w.shape(0);
  g.k = x.shape(1);
  g.a = matrix<T>(x);
  g.b = {weight.data, weight.col, weight.row};
  g.c = out.data<T>();
  g.c_row = g.n;
  g.start = bias ? GemmStart::kColumnBias : GemmStart::kZero;
  g.bias = bias;
  gemm(g);
}

// x (m, k), w (n, k), bias (n,) or None -> x w^T + bias (m, n)
Array linear(const Array& x_in, const Array& w_in, const py::object& bias_in) {
  const bool single = check_float("linear", {&x_in, &w_in});
  check_ndim("linear", "x", x_in, 2);
  check_ndim("linear", "weight", w_in, 2);
  const int64_t m = x_in.shape(0), k = x_in.shape(1), n = w_in.shape(0);
  if (w_in.shape(1) != k)
    throw py::value_error("linear: expected x with " + std::to_string(w_in.shape(1)) +
                          " features (weight " + shape_string(w_in) + "), got x " +
                          shape_string(x_in));
  const Array bias = optional_vector("linear", "bias", bias_in, x_in, n);
  const Array x = readable(x_in), w = readable(w_in);
  const Array out = new_array(x.typenum(), {m, n});
  const KernelScope scope(work(1, m, n, k));
  with_float(single, [&](auto t) {
    using T = decltype(t);
    run_linear<T>(x, w, bias.data_or_null<const T>(), out);
  });
  return out;
}

}  // namespace

void bind_matmul(py::module_& m) {
  m.def("matmul", &matmul);
  m.def("linear", &linear);
}

}  // namespace pag
