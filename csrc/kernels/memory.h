// Large blocks of memory, kept for the next kernel when they are freed.
//
// What the system hands out anew it hands out page by page, each cleared at its first touch: a
// training step that asks for its arrays again and again would spend more time there than in many a
// kernel. So freed blocks stay here, up to a limit, and the next step finds its pages in place.
#pragma once
#include <cstdint>

namespace pag {

// At least `bytes` bytes aligned to 64, not initialised. Where the system has no memory, everything
// that is kept goes back to it before a second try; null if that fails too.
void* acquire_memory(int64_t bytes);
void release_memory(void* data);  // null is nothing
// Bytes that fit into a block.
int64_t memory_size(const void* data);

struct MemoryStats {
  int64_t in_use;  // bytes of blocks handed out
  int64_t peak;    // the most that were in use at once
  int64_t cached;  // bytes of pages that are kept for the next block
  int64_t limit;   // the most that are kept
  int64_t mapped;  // bytes of addresses that the system granted
  int64_t hits;    // blocks handed out of pages that were kept
  int64_t misses;  // blocks that needed new pages
};
MemoryStats memory_stats();
void reset_peak_memory();

// Pages kept beyond the limit go back to the system at once.
void set_cache_limit(int64_t bytes);
// Gives all free pages back to the system.
void empty_cache();

// Whether memory mapped from now on asks for huge pages (best effort; Linux alone has them).
bool huge_pages();
void set_huge_pages(bool wanted);

}  // namespace pag
