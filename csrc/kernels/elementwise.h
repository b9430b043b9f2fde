// Element-wise kernels over strided and broadcast operands.
#pragma once
#include <cstdint>

#include "kernels/op_info.h"

namespace pag {

constexpr int kMaxDims = 32;
constexpr int kMaxOperands = 3;

// Operands of one element-wise call. Strides are in bytes, 0 where an operand is broadcast.
struct Elementwise {
  int ndim = 0;
  int arity = 0;
  int64_t shape[kMaxDims];
  int64_t strides[kMaxOperands][kMaxDims];
  const void* data[kMaxOperands];
};

// Drops dimensions of size 1 and merges neighbours that all operands step through as one; at least
// one dimension stays.
Elementwise collapse(const Elementwise& args);
// Of an operand whose elements are not neighbours along the last dimension: the dimension along
// which they are, or -1.
int transposed_dimension(const Elementwise& args, int operand, int itemsize);
// Makes that dimension the last but one.
void move_dimension_inwards(Elementwise* args, int dim);

// out (C-contiguous, of args.shape) = op(operands), computed in `dtype`. `from` has the operands'
// own dtypes: those of others are converted in L1. out may be an operand of the same layout and
// dtype.
void elementwise(Opcode op, DType dtype, const Elementwise& args, const DType* from, void* out);

}  // namespace pag
