#define PAG_VEC_BYTES 32
#define PAG_ISA_NAME "avx2"
#define PAG_TABLE table_avx2
#include "isa/table.inl"
