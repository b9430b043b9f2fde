// The operands of an element-wise call: promotion, conversion and broadcasting.
#pragma once
#include "bindings/common.h"
#include "kernels/elementwise.h"

namespace pag {

// Whether the integer is one of that dtype's values.
bool fits(long long value, int dtype);

// The operands as arrays; returns the type in which the op computes. Tests compare by NumPy's rule,
// other ops go by PyTorch's.
int operand_arrays(Opcode op, PyObject* const* inputs, Array* arrays);

// An array that the kernel takes, which converts other dtypes than this as it goes.
Array usable(const Array& a, int typenum);

// Fills args.shape and the strides; the result's shape is in `dims`, its length is returned.
int broadcast(const char* op, Elementwise* args, const Array* arrays, npy_intp* dims);

}  // namespace pag
