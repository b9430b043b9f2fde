#define PAG_VEC_BYTES 64
#define PAG_ISA_NAME "avx512"
#define PAG_TABLE table_avx512
#include "isa/table.inl"
