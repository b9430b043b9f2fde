// A fused program as it is run: see program.cpp, which makes it, and program_run.cpp.
#pragma once
#include <vector>

#include "exec/plan.h"

namespace pag {

constexpr int64_t kTile = 192;  // elements; 128-192 floats measured best
constexpr int kMaxRegisters = 48;
constexpr int kMaxInputs = 16, kMaxOutputs = 8;
constexpr int kInstructionInts = 6;

struct Instruction {
  ElementwiseLoop loop;
  int out, in[kMaxOperands];
};

// A register: of what dtype, and where its tile lies among the bytes of all.
struct Register {
  DType dtype = kDTypes;  // kDTypes: nothing is in it yet
  int64_t at = 0;
  int itemsize() const { return itemsize_of(dtype); }
};

// Registers of a program that is relu(x * scale + shift + more), or a part of it; -1: not there.
struct Affine {
  int x = -1, scale = -1, shift = -1, more = -1;
  bool relu = false;
};

// Registers: inputs, then constants, then outputs, then temporaries.
struct Program {
  std::vector<Instruction> code;
  int inputs, constants, outputs;
  std::vector<Register> registers;
  // The space that is run through, with as few dimensions as its operands allow; the last one has
  // unit steps in the outputs.
  int ndim = 0;
  int64_t shape[kMaxDims];
  int64_t strides[kMaxInputs][kMaxDims];  // bytes
  Pointer<char> in[kMaxInputs], out[kMaxOutputs];
  std::vector<double> numbers;
  Affine affine;  // without x: it is no such program
  // Short rows are taken that many at a time; `joined` are the inputs in which they lie one after
  // the other.
  int64_t rows_at_once = 1;
  bool joined[kMaxInputs];

  int first_output() const { return inputs + constants; }
  int64_t row_length() const { return shape[ndim - 1]; }
  int64_t rows() const {
    int64_t n = 1;
    for (int d = 0; d + 1 < ndim; ++d) n *= shape[d];
    return n;
  }
};

}  // namespace pag
