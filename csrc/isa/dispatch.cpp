#include <cstdlib>
#include <cstring>

#include "isa/table.h"

namespace pag {

extern const Table table_generic;
#ifdef PAG_X86
extern const Table table_avx2;
extern const Table table_avx512;
#elif defined(PAG_ARM64)
extern const Table table_neon;
#endif

namespace {

int collect(const Table** tables) {
  int n = 0;
  tables[n++] = &table_generic;
#ifdef PAG_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2")) {
    tables[n++] = &table_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd"))
      tables[n++] = &table_avx512;
  }
#elif defined(PAG_ARM64)
  tables[n++] = &table_neon;  // every processor of this architecture has it
#endif
  return n;
}

const Table* named(const char* name) {
  const Table* tables[3];
  const int n = collect(tables);
  for (int i = 0; i < n; ++i)
    if (!std::strcmp(tables[i]->name, name)) return tables[i];
  return nullptr;
}

const Table* choose() {
  const Table* tables[3];
  const Table* best = tables[collect(tables) - 1];
  const char* wanted = std::getenv("PYAUTOGRAD_ISA");
  const Table* found = wanted ? named(wanted) : nullptr;
  return found ? found : best;  // pyautograd/__init__.py complains of a name that is not there
}

const Table* current = choose();

}  // namespace

const Table& isa() { return *current; }

int available_isas(const char** names, int capacity) {
  const Table* tables[3];
  const int n = collect(tables);
  for (int i = 0; i < n && i < capacity; ++i) names[i] = tables[i]->name;
  return n;
}

bool select_isa(const char* name) {
  const Table* found = named(name);
  if (found) current = found;
  return found != nullptr;
}

}  // namespace pag
