// Makes fused programs of their instructions, and finds what runs faster than one by one.
#include "exec/program.h"

#include <algorithm>

#include "exec/program_code.h"

namespace pag {
namespace {

void collapse(const Call& call, Program* p) {
  const Operand& space = call.out[0];
  for (int d = 0; d < space.ndim; ++d) {
    if (space.shape[d] == 1) continue;
    const int last = p->ndim - 1;
    bool merge = last >= 0;
    for (int k = 0; k < p->inputs && merge; ++k)
      merge = p->strides[k][last] == call.in[static_cast<size_t>(k)].strides[d] * space.shape[d];
    const int to = merge ? last : p->ndim++;
    p->shape[to] = merge ? p->shape[to] * space.shape[d] : space.shape[d];
    for (int k = 0; k < p->inputs; ++k)
      p->strides[k][to] = call.in[static_cast<size_t>(k)].strides[d];
  }
  if (p->ndim) return;
  p->ndim = 1;
  p->shape[0] = 1;
  for (int k = 0; k < p->inputs; ++k)
    p->strides[k][0] = p->registers[static_cast<size_t>(k)].itemsize();
}

void join_rows(Program* p) {
  const int inner = p->ndim - 1;
  if (inner == 0 || p->affine.x >= 0) return;
  p->rows_at_once = std::max<int64_t>(1, kTile / std::max<int64_t>(1, p->row_length()));
  for (int k = 0; k < p->inputs; ++k) {
    const int64_t size = p->registers[static_cast<size_t>(k)].itemsize();
    p->joined[k] =
        p->strides[k][inner] == size && p->strides[k][inner - 1] == size * p->row_length();
  }
}

// Finds the form above, whose loop is twice to four times as fast as its instructions.
Affine find_affine(const Program& p) {
  const DType dtype = p.registers[0].dtype;
  const int itemsize = itemsize_of(dtype);
  if ((dtype != kF32 && dtype != kF64) || p.outputs != 1) return {};
  for (const Register& r : p.registers)
    if (r.dtype != dtype) return {};
  const auto step = [&](int r) {  // along a row; -1 for what is no input
    return r < p.inputs ? p.strides[r][p.ndim - 1] : -1;
  };
  const auto is = [&](size_t i, Opcode op) {
    return i < p.code.size() && p.code[i].loop == isa().elementwise[op][dtype];
  };
  // The other operand of instruction i, of which one is `r`, if it is as far apart as that.
  const auto other = [&](size_t i, int r, int64_t apart) {
    const int a = p.code[i].in[0], b = p.code[i].in[1];
    return a == r && step(b) == apart ? b : b == r && step(a) == apart ? a : -1;
  };
  Affine found;
  size_t i = 0;
  int last = p.code[0].in[0];
  if (is(0, kOp_mul) && is(1, kOp_add)) {
    last = step(last) == itemsize ? last : p.code[0].in[1];
    found.scale = other(0, last, 0);
    found.shift = other(1, p.code[0].out, 0);
    if (found.scale < 0 || found.shift < 0) return {};
    i = 2;
  } else if (is(0, kOp_add) && step(last) != itemsize) {
    return {};
  }
  found.x = last;
  if (step(last) != itemsize) return {};
  if (i) last = p.code[i - 1].out;
  if (is(i, kOp_add)) {
    found.more = other(i, last, itemsize);
    if (found.more < 0) return {};
    last = p.code[i++].out;
  }
  if (is(i, kOp_relu) && p.code[i].in[0] == last) {
    found.relu = true;
    ++i;
  }
  return i == p.code.size() ? found : Affine();
}

// Adds an instruction; false where its registers are not there or of other dtypes than it takes.
bool add_instruction(Program* p, const int64_t* ints) {
  const int64_t op = ints[0], dtype = ints[1];
  if (op < 0 || op >= kOpcodes || dtype < 0 || dtype >= kDTypes) return false;
  for (int k = 2; k < kInstructionInts; ++k)
    if (ints[k] < 0 || ints[k] >= kMaxRegisters) return false;
  const Opcode opcode = static_cast<Opcode>(op);
  Instruction ins = {isa().elementwise[opcode][dtype], static_cast<int>(ints[2]), {}};
  if (!ins.loop) return false;
  // Whether register r has, or from now on shall have, elements of that dtype.
  const auto holds = [p](int r, DType wanted, bool may_be_new) {
    const size_t at = static_cast<size_t>(r);
    if (may_be_new && p->registers.size() <= at) p->registers.resize(at + 1);
    if (p->registers.size() <= at) return false;
    Register& found = p->registers[at];
    if (may_be_new && found.dtype == kDTypes) found.dtype = wanted;
    // What is between may change its dtype, not its size.
    const bool between = r >= p->first_output() + p->outputs;
    if (may_be_new && between && found.itemsize() == itemsize_of(wanted)) found.dtype = wanted;
    return found.dtype == wanted;
  };
  const OpInfo& info = kOps[opcode];
  for (int k = 0; k < kMaxOperands; ++k) {
    const int r = ins.in[k] = static_cast<int>(ints[3 + k]);
    const bool constant = r >= p->inputs && r < p->first_output();
    if (k < info.arity && !holds(r, operand_dtype(opcode, k, static_cast<DType>(dtype)), constant))
      return false;
    if (k >= info.arity) ins.in[k] = ins.in[0];
  }
  const DType result = result_dtype(opcode, static_cast<DType>(dtype));
  if (ins.out < p->first_output() || !holds(ins.out, result, true)) return false;
  p->code.push_back(ins);
  return true;
}

}  // namespace

// ints: six for each instruction: opcode, the dtype in which it computes, register of the result,
// registers of three operands. numbers: the constants. Inputs have the shape of the outputs, with
// stride 0 where they repeat.
std::shared_ptr<const Program> make_program(const Call& call) {
  Program p;
  p.inputs = static_cast<int>(call.in.size());
  p.constants = static_cast<int>(call.numbers.size());
  p.outputs = static_cast<int>(call.out.size());
  p.numbers = call.numbers;
  if (p.inputs > kMaxInputs || p.outputs > kMaxOutputs || call.ints.empty() ||
      p.first_output() + p.outputs > kMaxRegisters)
    return nullptr;
  p.registers.resize(static_cast<size_t>(p.first_output() + p.outputs));
  for (size_t k = 0; k < call.in.size(); ++k) p.registers[k].dtype = call.in[k].dtype;
  for (size_t k = 0; k < call.out.size(); ++k) {
    if (!call.out[k].contiguous()) return nullptr;
    p.registers[static_cast<size_t>(p.first_output()) + k].dtype = call.out[k].dtype;
  }
  for (size_t i = 0; i + kInstructionInts <= call.ints.size(); i += kInstructionInts)
    if (!add_instruction(&p, call.ints.data() + i)) return nullptr;
  int64_t at = 0;
  for (Register& r : p.registers) {
    if (r.dtype == kDTypes) return nullptr;  // a number or a register that nothing uses
    r.at = at;
    at += kTile * r.itemsize();
  }
  for (int k = 0; k < p.inputs; ++k) p.in[k] = Pointer<char>(call.in[static_cast<size_t>(k)]);
  for (int k = 0; k < p.outputs; ++k) p.out[k] = Pointer<char>(call.out[static_cast<size_t>(k)]);
  collapse(call, &p);
  p.affine = find_affine(p);
  join_rows(&p);
  return std::make_shared<Program>(p);
}

}  // namespace pag
