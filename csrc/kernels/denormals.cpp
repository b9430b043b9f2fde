#include "kernels/denormals.h"

#include <atomic>

namespace pag {
namespace {
std::atomic<bool> flush{true};
}

bool flushes_denormals() { return flush.load(std::memory_order_relaxed); }
void flush_denormals(bool wanted) { flush = wanted; }

}  // namespace pag
