// Fused element-wise ops: a short program that is run on tiles of its operands, so that what is
// between its ops never leaves the L1 cache. The instructions are the loops of the eager kernels,
// hence the same bits. A register has elements of the dtype that its op gives: masks are bytes.
//
// Bound by memory: each operand is read and each result written once. (x*y+y).tanh()*y on 3e5
// floats takes 0.5-0.6 ns an element, a loop fused by hand 0.4 (AVX-512).
#include <algorithm>
#include <cstring>

#include "exec/program.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

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

}  // namespace

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

template <class T>
void gather(char* to_, const char* from, int64_t stride, int64_t n) {
  T* to = reinterpret_cast<T*>(to_);
  if (stride == 0)
    std::fill_n(to, n, *reinterpret_cast<const T*>(from));
  else if (stride == sizeof(T))
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  else
    for (int64_t i = 0; i < n; ++i) to[i] = *reinterpret_cast<const T*>(from + i * stride);
}
void gather(int itemsize, char* to, const char* from, int64_t stride, int64_t n) {
  if (itemsize == 8)
    gather<uint64_t>(to, from, stride, n);
  else if (itemsize == 4)
    gather<uint32_t>(to, from, stride, n);
  else
    gather<uint8_t>(to, from, stride, n);
}

void fill_number(DType dtype, char* tile, double number) {
  const auto fill = [&](auto value) {
    std::fill_n(reinterpret_cast<decltype(value)*>(tile), kTile, value);
  };
  switch (dtype) {
    case kF32:
      return fill(static_cast<float>(number));
    case kF64:
      return fill(number);
    case kI64:
      return fill(static_cast<int64_t>(number));
    case kI32:
      return fill(static_cast<int32_t>(number));
    default:
      return fill(static_cast<uint8_t>(number));
  }
}

class Runner {
 public:
  explicit Runner(const Program& p) : p_(p) {
    for (size_t r = 0; r < p.registers.size(); ++r) at_[r] = tiles_ + p.registers[r].at;
    for (int k = 0; k < p.constants; ++k)
      fill_number(p.registers[static_cast<size_t>(p.inputs + k)].dtype, at_[p.inputs + k],
                  p.numbers[static_cast<size_t>(k)]);
  }

  // n elements of one row, from the addresses `in` on.
  void row(char* const* in, char* const* out, int64_t n) {
    if (p_.affine.x >= 0) {
      if (size_of(p_.affine.x) == sizeof(float))
        affine<float>(in, out, n);
      else
        affine<double>(in, out, n);
      return;
    }
    const int inner = p_.ndim - 1;
    for (int k = 0; k < p_.inputs; ++k) {
      if (p_.strides[k][inner] != 0) continue;
      at_[k] = tile(k);
      gather(size_of(k), at_[k], in[k], 0, std::min(n, kTile));
    }
    for (int64_t i = 0; i < n; i += kTile) {
      const int64_t count = std::min(kTile, n - i);
      for (int k = 0; k < p_.inputs; ++k) {
        const int64_t stride = p_.strides[k][inner];
        if (stride == size_of(k))
          at_[k] = in[k] + i * stride;
        else if (stride != 0)
          gather(size_of(k), at_[k] = tile(k), in[k] + i * stride, stride, count);
      }
      for (int k = 0, r = p_.first_output(); k < p_.outputs; ++k, ++r)
        at_[r] = out[k] + i * size_of(r);
      run(count);
    }
  }

  // Whole rows that fit a tile, as one.
  void short_rows(char* const* in, char* const* out, int64_t rows) {
    const int inner = p_.ndim - 1;
    const int64_t length = p_.row_length();
    for (int k = 0; k < p_.inputs; ++k) {
      const int64_t* stride = p_.strides[k];
      at_[k] = p_.joined[k] ? in[k] : tile(k);
      for (int64_t r = 0; r < rows && !p_.joined[k]; ++r)
        gather(size_of(k), at_[k] + r * length * size_of(k), in[k] + r * stride[inner - 1],
               stride[inner], length);
    }
    for (int k = 0; k < p_.outputs; ++k) at_[p_.first_output() + k] = out[k];
    run(rows * length);
  }

 private:
  void run(int64_t n) {
    for (const Instruction& ins : p_.code) {
      const void* operands[kMaxOperands] = {at_[ins.in[0]], at_[ins.in[1]], at_[ins.in[2]]};
      ins.loop(at_[ins.out], operands, n);
    }
  }
  template <class T>
  void affine(char* const* in, char* const* out, int64_t n) {
    const auto at = [in](int r) { return r < 0 ? nullptr : reinterpret_cast<const T*>(in[r]); };
    const Affine& a = p_.affine;
    isa().affine.of<T>().row(reinterpret_cast<T*>(out[0]), at(a.x), at(a.scale), at(a.shift),
                             at(a.more), a.relu, n);
  }
  int size_of(int r) const { return p_.registers[static_cast<size_t>(r)].itemsize(); }
  char* tile(int r) { return tiles_ + p_.registers[static_cast<size_t>(r)].at; }

  const Program& p_;
  char* at_[kMaxRegisters];
  alignas(64) char tiles_[kMaxRegisters * kTile * 8];
};

// n elements of the space, in its order from `begin` on.
void run_span(Runner& runner, const Program& p, Slots slots, int64_t begin, int64_t n) {
  const int inner = p.ndim - 1;
  const int64_t length = p.row_length();
  while (n > 0) {
    const int64_t from = begin % length;
    int64_t count = std::min(n, length - from), rows = 1;
    if (p.rows_at_once > 1 && from == 0) {
      const int64_t height = p.shape[inner - 1];
      rows = std::min({p.rows_at_once, n / length, height - begin / length % height});
      if (rows > 1) count = rows * length;
    }
    char *in[kMaxInputs], *out[kMaxOutputs];
    for (int k = 0; k < p.inputs; ++k) in[k] = p.in[k](slots) + from * p.strides[k][inner];
    int64_t rest = begin / length;
    for (int d = inner - 1; d >= 0; --d) {
      const int64_t index = rest % p.shape[d];
      rest /= p.shape[d];
      for (int k = 0; k < p.inputs; ++k) in[k] += index * p.strides[k][d];
    }
    for (int k = 0; k < p.outputs; ++k)
      out[k] = p.out[k](slots) +
               begin * p.registers[static_cast<size_t>(p.first_output() + k)].itemsize();
    if (rows > 1)
      runner.short_rows(in, out, rows);
    else
      runner.row(in, out, count);
    begin += count;
    n -= count;
  }
}

void run_program(const Program& p, Slots slots) {
  const int64_t length = p.row_length(), rows = p.rows();
  if (!rows || !length) return;
  const int64_t grain = std::max<int64_t>(kGrain / static_cast<int64_t>(p.code.size()), kTile);
  const int64_t pieces = (length + grain - 1) / grain;  // of one row
  parallel_for(rows * pieces, pieces > 1 ? 1 : grain / length, [&](int64_t begin, int64_t end) {
    Runner runner(p);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t from = item % pieces * grain;
      run_span(runner, p, slots, item / pieces * length + from, std::min(grain, length - from));
    }
  });
}

// Rows of the results, `first` and `stride` in elements: see Epilogue.
void run_rows(const Program& p, Slots slots, int64_t first, int64_t rows, int64_t stride,
              int64_t width) {
  if (stride == width) {
    width *= rows;
    rows = 1;
  }
  Runner runner(p);
  for (int64_t r = 0; r < rows; ++r) run_span(runner, p, slots, first + r * stride, width);
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

Step program_step(const Call& call) {
  const std::shared_ptr<const Program> p = make_program(call);
  if (!p) return {};
  return [p](Slots slots) { run_program(*p, slots); };
}

Tail::Tail(const Call& call) : results_(call.out[0]) {
  if (!call.tail) return;
  program_ = make_program(*call.tail);
  itemsize_ = call.out[0].itemsize();
  valid_ = program_ && call.out[0].contiguous() && call.out[0].size() == call.tail->out[0].size() &&
           (call.out[0].dtype == kF32 || call.out[0].dtype == kF64);
}

Tail::Run::Run(const Tail& tail, Slots slots)
    : program_(tail.program_.get()),
      slots_(slots),
      results_(tail.results_(slots)),
      itemsize_(tail.itemsize_),
      control_(float_control()) {}

void Tail::Run::run(const void* first, int64_t rows, int64_t stride, int64_t width) const {
  const FloatControl before = float_control();
  set_float_control(control_);
  const int64_t at = (static_cast<const char*>(first) - results_) / itemsize_;
  run_rows(*program_, slots_, at, rows, stride, width);
  set_float_control(before);
}

}  // namespace pag
