#define PAG_VEC_BYTES 16
#define PAG_NEON
#define PAG_ISA_NAME "neon"
#define PAG_TABLE table_neon
#include "isa/table.inl"
