// The hot loops that are built once per instruction set, and the choice among them.
#pragma once
#include <stdint.h>

namespace pag {

// Arithmetic dtypes; bool arrays are computed as u8.
enum DType : int { kF32, kF64, kI64, kI32, kU8, kDTypes };

enum Opcode : int {
#define UNARY(name, domain, expression) kOp_##name,
#define BINARY UNARY
#define TERNARY UNARY
#include "isa/opcodes.def"
#undef UNARY
#undef BINARY
#undef TERNARY
  kOpcodes
};

// out[i] = op(in[0][i], ...) for n contiguous elements; out may be one of the inputs.
using ElementwiseLoop = void (*)(void* out, const void* const* in, int64_t n);

template <class T>
struct ReduceLoops {
  // Sum of n contiguous values, in blocks (error grows with log n, not n).
  double (*sum)(const T* x, int64_t n);
  // out[j] += sum over r of x[r * stride + j] for j < n, rows in order.
  void (*sum_rows)(double* out, const T* x, int64_t rows, int64_t stride, int64_t n);
};

struct Table {
  const char* name;
  ElementwiseLoop elementwise[kOpcodes][kDTypes];
  ReduceLoops<float> reduce_f32;
  ReduceLoops<double> reduce_f64;

  template <class T>
  const ReduceLoops<T>& reduce() const;
};
template <>
inline const ReduceLoops<float>& Table::reduce<float>() const { return reduce_f32; }
template <>
inline const ReduceLoops<double>& Table::reduce<double>() const { return reduce_f64; }

// The table in use: the best this processor runs, or the one that PYAUTOGRAD_ISA names.
const Table& isa();
// Names of the tables this processor runs, slowest first.
int available_isas(const char** names, int capacity);
// False if no available table has that name.
bool select_isa(const char* name);

}  // namespace pag
