// Fused element-wise ops: a short program that is run on tiles of its operands, so that what is
// between its ops never leaves the L1 cache. The instructions are the loops of the eager kernels,
// hence the same bits.
//
// Bound by memory: each operand is read and each result written once. (x*y+y).tanh()*y on 3e5
// floats takes 0.5-0.6 ns an element, a loop fused by hand 0.4 (AVX-512).
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "exec/program.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

constexpr int64_t kTile = 192;  // elements; 128-192 floats measured best
constexpr int kMaxRegisters = 48;
constexpr int kMaxInputs = 16, kMaxOutputs = 8;

struct Instruction {
  ElementwiseLoop loop;
  int out, in[kMaxOperands];
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
  int inputs, constants, outputs, registers;
  DType dtype;
  int itemsize;
  // The space that is run through, with as few dimensions as its operands allow; the last one has
  // unit steps in the outputs.
  int ndim = 0;
  int64_t shape[kMaxDims];
  int64_t strides[kMaxInputs][kMaxDims];  // bytes
  Pointer<char> in[kMaxInputs], out[kMaxOutputs];
  std::vector<double> numbers;
  Affine affine;  // without x: it is no such program

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
  for (int k = 0; k < p->inputs; ++k) p->strides[k][0] = p->itemsize;
}

// Finds the form above, whose loop is twice to four times as fast as its instructions.
Affine find_affine(const Program& p) {
  if ((p.dtype != kF32 && p.dtype != kF64) || p.outputs != 1) return {};
  const auto step = [&](int r) {  // along a row; -1 for what is no input
    return r < p.inputs ? p.strides[r][p.ndim - 1] : -1;
  };
  const auto is = [&](size_t i, Opcode op) {
    return i < p.code.size() && p.code[i].loop == isa().elementwise[op][p.dtype];
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
    last = step(last) == p.itemsize ? last : p.code[0].in[1];
    found.scale = other(0, last, 0);
    found.shift = other(1, p.code[0].out, 0);
    if (found.scale < 0 || found.shift < 0) return {};
    i = 2;
  } else if (is(0, kOp_add) && step(last) != p.itemsize) {
    return {};
  }
  found.x = last;
  if (step(last) != p.itemsize) return {};
  if (i) last = p.code[i - 1].out;
  if (is(i, kOp_add)) {
    found.more = other(i, last, p.itemsize);
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
void gather(T* to, const char* from, int64_t stride, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = *reinterpret_cast<const T*>(from + i * stride);
}

template <class T>
class Runner {
 public:
  explicit Runner(const Program& p) : p_(p) {
    for (int k = 0; k < p.constants; ++k)
      std::fill_n(tile(p.inputs + k), kTile, static_cast<T>(p.numbers[static_cast<size_t>(k)]));
    for (int r = 0; r < p.registers; ++r) at_[r] = tile(r);
  }

  // n elements of one row, from the addresses `in` on.
  void row(char* const* in, char* const* out, int64_t n) {
    if (p_.affine.x >= 0) {
      const auto at = [in](int r) { return r < 0 ? nullptr : reinterpret_cast<const T*>(in[r]); };
      const Affine& a = p_.affine;
      if constexpr (std::is_floating_point_v<T>)
        isa().affine.of<T>().row(reinterpret_cast<T*>(out[0]), at(a.x), at(a.scale), at(a.shift),
                                 at(a.more), a.relu, n);
      return;
    }
    const int inner = p_.ndim - 1;
    for (int k = 0; k < p_.inputs; ++k)
      if (p_.strides[k][inner] == 0)
        std::fill_n(tile(k), std::min(n, kTile), *reinterpret_cast<const T*>(in[k]));
    for (int64_t i = 0; i < n; i += kTile) {
      const int64_t count = std::min(kTile, n - i);
      for (int k = 0; k < p_.inputs; ++k) {
        const int64_t stride = p_.strides[k][inner];
        if (stride == sizeof(T))
          at_[k] = reinterpret_cast<T*>(in[k]) + i;
        else if (stride != 0)
          gather(tile(k), in[k] + i * stride, stride, count);
      }
      for (int k = 0; k < p_.outputs; ++k)
        at_[p_.first_output() + k] = reinterpret_cast<T*>(out[k]) + i;
      for (const Instruction& ins : p_.code) {
        const void* operands[kMaxOperands] = {at_[ins.in[0]], at_[ins.in[1]], at_[ins.in[2]]};
        ins.loop(at_[ins.out], operands, count);
      }
    }
  }

 private:
  T* tile(int r) { return tiles_ + r * kTile; }

  const Program& p_;
  T* at_[kMaxRegisters];
  alignas(64) T tiles_[kMaxRegisters * kTile];
};

// A result that goes elsewhere than to its place: its elements from `first` on to `to`.
struct HandedOn {
  int result;
  int64_t first;
  char* to;
};

// n elements of the space, in its order from `begin` on.
template <class T>
void run_span(Runner<T>& runner, const Program& p, Slots slots, int64_t begin, int64_t n,
              const HandedOn* handed = nullptr) {
  const int inner = p.ndim - 1;
  const int64_t length = p.row_length();
  while (n > 0) {
    const int64_t from = begin % length, count = std::min(n, length - from);
    char *in[kMaxInputs], *out[kMaxOutputs];
    for (int k = 0; k < p.inputs; ++k) in[k] = p.in[k](slots) + from * p.strides[k][inner];
    int64_t rest = begin / length;
    for (int d = inner - 1; d >= 0; --d) {
      const int64_t index = rest % p.shape[d];
      rest /= p.shape[d];
      for (int k = 0; k < p.inputs; ++k) in[k] += index * p.strides[k][d];
    }
    const int64_t at = begin * static_cast<int64_t>(sizeof(T));
    for (int k = 0; k < p.outputs; ++k) out[k] = p.out[k](slots) + at;
    if (handed)
      out[handed->result] = handed->to + (begin - handed->first) * static_cast<int64_t>(sizeof(T));
    runner.row(in, out, count);
    begin += count;
    n -= count;
  }
}

template <class T>
void run_program(const Program& p, Slots slots) {
  const int64_t length = p.row_length(), rows = p.rows();
  if (!rows || !length) return;
  const int64_t grain = std::max<int64_t>(kGrain / static_cast<int64_t>(p.code.size()), kTile);
  const int64_t pieces = (length + grain - 1) / grain;  // of one row
  parallel_for(rows * pieces, pieces > 1 ? 1 : grain / length, [&](int64_t begin, int64_t end) {
    Runner<T> runner(p);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t from = item % pieces * grain;
      run_span(runner, p, slots, item / pieces * length + from, std::min(grain, length - from));
    }
  });
}

// Rows of the results, `first` and `stride` in elements: see Epilogue.
template <class T>
void run_rows(const Program& p, Slots slots, int64_t first, int64_t rows, int64_t stride,
              int64_t width) {
  if (stride == width) {
    width *= rows;
    rows = 1;
  }
  Runner<T> runner(p);
  for (int64_t r = 0; r < rows; ++r) run_span(runner, p, slots, first + r * stride, width);
}

}  // namespace

// ints: five for each instruction: opcode, register of the result, registers of three operands.
// numbers: the constants. Inputs have the shape of the outputs, with stride 0 where they repeat.
std::shared_ptr<const Program> make_program(const Call& call) {
  Program p;
  p.inputs = static_cast<int>(call.in.size());
  p.constants = static_cast<int>(call.numbers.size());
  p.outputs = static_cast<int>(call.out.size());
  p.registers = p.first_output() + p.outputs;
  p.dtype = call.out[0].dtype;
  p.itemsize = call.out[0].itemsize();
  p.numbers = call.numbers;
  if (p.inputs > kMaxInputs || p.outputs > kMaxOutputs || p.dtype == kU8) return nullptr;
  for (const Operand& o : call.in)
    if (o.dtype != p.dtype) return nullptr;
  for (const Operand& o : call.out)
    if (o.dtype != p.dtype || !o.contiguous()) return nullptr;
  for (size_t i = 0; i + 5 <= call.ints.size(); i += 5) {
    Instruction ins = {isa().elementwise[call.ints[i]][p.dtype], 0, {}};
    if (!ins.loop) return nullptr;
    for (int k = 0; k < 4; ++k) {
      const int r = static_cast<int>(call.ints[i + 1 + static_cast<size_t>(k)]);
      (k ? ins.in[k - 1] : ins.out) = r;
      p.registers = std::max(p.registers, r + 1);
    }
    p.code.push_back(ins);
  }
  if (p.registers > kMaxRegisters) return nullptr;
  for (int k = 0; k < p.inputs; ++k) p.in[k] = Pointer<char>(call.in[static_cast<size_t>(k)]);
  for (int k = 0; k < p.outputs; ++k) p.out[k] = Pointer<char>(call.out[static_cast<size_t>(k)]);
  collapse(call, &p);
  p.affine = find_affine(p);
  return std::make_shared<Program>(p);
}

Step program_step(const Call& call) {
  const std::shared_ptr<const Program> p = make_program(call);
  if (!p) return {};
  switch (p->dtype) {
    case kF32:
      return [p](Slots slots) { run_program<float>(*p, slots); };
    case kF64:
      return [p](Slots slots) { run_program<double>(*p, slots); };
    case kI64:
      return [p](Slots slots) { run_program<int64_t>(*p, slots); };
    default:
      return [p](Slots slots) { run_program<int32_t>(*p, slots); };
  }
}

Tail::Tail(const Call& call) : results_(call.out[0]) {
  if (!call.tail) return;
  program_ = make_program(*call.tail);
  valid_ = program_ && call.out[0].contiguous() && call.out[0].dtype == call.tail->out[0].dtype &&
           call.out[0].size() == call.tail->out[0].size() &&
           (program_->dtype == kF32 || program_->dtype == kF64);
}

Tail::Run::Run(const Tail& tail, Slots slots)
    : program_(tail.program_.get()),
      slots_(slots),
      results_(tail.results_(slots)),
      control_(float_control()) {}

void Tail::Run::run(const void* first, int64_t rows, int64_t stride, int64_t width) const {
  const FloatControl before = float_control();
  set_float_control(control_);
  const int64_t at = (static_cast<const char*>(first) - results_) / program_->itemsize;
  if (program_->dtype == kF32)
    run_rows<float>(*program_, slots_, at, rows, stride, width);
  else
    run_rows<double>(*program_, slots_, at, rows, stride, width);
  set_float_control(before);
}

Source::Source(const Call& call, int64_t result) : result_(static_cast<int>(result)) {
  if (!call.tail || result < 0 || result >= static_cast<int64_t>(call.tail->out.size())) return;
  if (call.tail->out[static_cast<size_t>(result)].dtype != call.out[0].dtype) return;
  program_ = make_program(*call.tail);
}

void Source::Run::make(int64_t first, int64_t n, void* to) const {
  const Program& p = *source_.program_;
  const HandedOn handed = {source_.result_, first, static_cast<char*>(to)};
  const auto run = [&](auto t) {
    Runner<decltype(t)> runner(p);
    run_span(runner, p, slots_, first, n, &handed);
  };
  if (p.dtype == kF32)
    run(float{});
  else
    run(double{});
}

int64_t Source::Run::cost() const { return static_cast<int64_t>(source_.program_->code.size()); }

}  // namespace pag
