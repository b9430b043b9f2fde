// Fused element-wise ops: a short program that is run on tiles of its operands, so that what is
// between its ops never leaves the L1 cache. The instructions are the loops of the eager kernels,
// hence the same bits. A register has elements of the dtype that its op gives: masks are bytes.
//
// Bound by memory: each operand is read and each result written once. (x*y+y).tanh()*y on 3e5
// floats takes 0.5-0.6 ns an element, a loop fused by hand 0.4 (AVX-512).
#include <algorithm>

#include "exec/program.h"
#include "exec/program_code.h"
#include "kernels/gather.h"
#include "kernels/parallel.h"

namespace pag {
namespace {

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
      gather(at_[k], in[k], 0, std::min(n, kTile), size_of(k));
    }
    for (int64_t i = 0; i < n; i += kTile) {
      const int64_t count = std::min(kTile, n - i);
      for (int k = 0; k < p_.inputs; ++k) {
        const int64_t stride = p_.strides[k][inner];
        if (stride == size_of(k))
          at_[k] = in[k] + i * stride;
        else if (stride != 0)
          gather(at_[k] = tile(k), in[k] + i * stride, stride, count, size_of(k));
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
        gather(at_[k] + r * length * size_of(k), in[k] + r * stride[inner - 1], stride[inner],
               length, size_of(k));
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

// A result that goes elsewhere than to its place: its elements from `first` on to `to`.
struct HandedOn {
  int result;
  int64_t first;
  char* to;
};

// n elements of the space, in its order from `begin` on.
void run_span(Runner& runner, const Program& p, Slots slots, int64_t begin, int64_t n,
              const HandedOn* handed = nullptr) {
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
    for (int k = 0; k < p.outputs; ++k) {
      const int64_t size = p.registers[static_cast<size_t>(p.first_output() + k)].itemsize();
      const bool elsewhere = handed && handed->result == k;
      out[k] =
          elsewhere ? handed->to + (begin - handed->first) * size : p.out[k](slots) + begin * size;
    }
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

}  // namespace

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

Source::Source(const Call& call, int64_t result) : result_(static_cast<int>(result)) {
  if (!call.tail || result < 0 || result >= static_cast<int64_t>(call.tail->out.size())) return;
  if (call.tail->out[static_cast<size_t>(result)].dtype != call.out[0].dtype) return;
  program_ = make_program(*call.tail);
}

void Source::Run::make(int64_t first, int64_t n, void* to) const {
  const HandedOn handed = {source_.result_, first, static_cast<char*>(to)};
  Runner runner(*source_.program_);
  run_span(runner, *source_.program_, slots_, first, n, &handed);
}

int64_t Source::Run::cost() const { return static_cast<int64_t>(source_.program_->code.size()); }

}  // namespace pag
