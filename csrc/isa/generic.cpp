#define PAG_VEC_BYTES 16
#define PAG_ISA_NAME "generic"
#define PAG_TABLE table_generic
#include "isa/table.inl"
