// Builds one Table. The including file sets PAG_VEC_BYTES, PAG_ISA_NAME and PAG_TABLE.
#include "isa/table.h"

#include "isa/elementwise.inl"
#include "isa/reduce.inl"

namespace pag {

extern const Table PAG_TABLE;
const Table PAG_TABLE = {
    PAG_ISA_NAME,
    {
#define LOOPS_any(name)                                                                    \
  {loop_##name<float>, loop_##name<double>, loop_##name<int64_t>, loop_##name<int32_t>, \
   loop_##name<uint8_t>},
#define LOOPS_real(name) {loop_##name<float>, loop_##name<double>, nullptr, nullptr, nullptr},
#define UNARY(name, domain, expression) LOOPS_##domain(name)
#define BINARY UNARY
#define TERNARY UNARY
#include "isa/opcodes.def"
#undef UNARY
#undef BINARY
#undef TERNARY
    },
    {sum_contiguous<float>, sum_rows<float>},
    {sum_contiguous<double>, sum_rows<double>},
};

}  // namespace pag
