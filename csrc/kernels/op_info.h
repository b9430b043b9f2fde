// What is known of the element-wise ops beside their loops.
#pragma once
#include "isa/table.h"

namespace pag {

inline constexpr int itemsize_of(DType dtype) {
  constexpr int size[kDTypes] = {4, 8, 8, 4, 1};
  return size[dtype];
}

template <class T>
constexpr DType kDTypeOf = kDTypes;
template <>
inline constexpr DType kDTypeOf<float> = kF32;
template <>
inline constexpr DType kDTypeOf<double> = kF64;
template <>
inline constexpr DType kDTypeOf<int64_t> = kI64;
template <>
inline constexpr DType kDTypeOf<int32_t> = kI32;
template <>
inline constexpr DType kDTypeOf<uint8_t> = kU8;

// What an op does with dtypes: see isa/opcodes.def.
enum class Domain { kAny, kReal, kTest, kChoice, kCast };

struct OpInfo {
  const char* name;
  int arity;
  Domain domain;
  DType result;  // of a test (a bool) and of a cast; kDTypes: that in which the op computes
};

inline constexpr OpInfo kOps[kOpcodes] = {
#define DOMAIN_any(expression) Domain::kAny, kDTypes
#define DOMAIN_real(expression) Domain::kReal, kDTypes
#define DOMAIN_power DOMAIN_real
#define DOMAIN_test(expression) Domain::kTest, kU8
#define DOMAIN_choice(expression) Domain::kChoice, kDTypes
#define DOMAIN_cast(type) Domain::kCast, kDTypeOf<type>
#define UNARY(name, domain, expression) {#name, 1, DOMAIN_##domain(expression)},
#define BINARY(name, domain, expression) {#name, 2, DOMAIN_##domain(expression)},
#define TERNARY(name, domain, expression) {#name, 3, DOMAIN_##domain(expression)},
#include "isa/opcodes.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef DOMAIN_any
#undef DOMAIN_real
#undef DOMAIN_power
#undef DOMAIN_test
#undef DOMAIN_choice
#undef DOMAIN_cast
};

// Of an op that computes in `dtype`: a cast in that of its operand, a choice in that of its values.
inline constexpr DType operand_dtype(Opcode op, int operand, DType dtype) {
  return kOps[op].domain == Domain::kChoice && operand == 0 ? kU8 : dtype;
}
inline constexpr DType result_dtype(Opcode op, DType dtype) {
  return kOps[op].result == kDTypes ? dtype : kOps[op].result;
}

}  // namespace pag
