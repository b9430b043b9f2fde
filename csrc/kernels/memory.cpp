// The system grants segments. A segment is cut into blocks from its start to its top; what lies
// between the top and the highest place ever used has its pages, the rest has none yet. A freed
// block joins its free neighbours, or the top. Free blocks are listed by size; the smallest that is
// large enough serves a request, else the top of the segment with the least room to spare.
#include "kernels/memory.h"

#include <atomic>
#include <cstdlib>
#include <mutex>
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#define PAG_MMAP
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace pag {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kHugePage = int64_t{1} << 21;
constexpr int64_t kSmallestRest = 4096;               // less is not cut off a block
constexpr int64_t kSegmentLeast = int64_t{64} << 20;  // bytes, unless a block needs more

constexpr int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// Bytes from there to the next multiple of `unit`.
int64_t gap(const char* from, int64_t unit) {
  return -static_cast<int64_t>(reinterpret_cast<uintptr_t>(from)) & (unit - 1);
}

struct Block;

// At the start of its own memory.
struct alignas(kAlignment) Segment {
  Segment *previous, *next;
  int64_t size;     // bytes mapped
  int64_t top;      // offset behind the last block
  int64_t touched;  // offset behind the last byte that may have a page
  Block* last;      // the block that ends at top, or null
};

// Stands before its data.
struct alignas(kAlignment) Block {
  Segment* segment;
  Block* before;  // the block that ends where this one starts, or null
  int64_t size;   // bytes, this header included
  int64_t pages;  // of a free block: bytes of it that count as cached; -1 if it is in use
  Block *previous_free, *next_free;
};
static_assert(sizeof(Segment) == kAlignment && sizeof(Block) == kAlignment, "keep data aligned");

char* address(Segment* s, int64_t offset) { return reinterpret_cast<char*>(s) + offset; }
int64_t offset_of(const Block* b) {
  return reinterpret_cast<const char*>(b) - reinterpret_cast<const char*>(b->segment);
}
Block* after(const Block* b) {  // null at the top
  const int64_t end = offset_of(b) + b->size;
  return end == b->segment->top ? nullptr : reinterpret_cast<Block*>(address(b->segment, end));
}

// ---- the system ---------------------------------------------------------------------------------

void* map(int64_t bytes, bool huge) {
#ifdef PAG_MMAP
  // Addresses for one huge page more, so that the segment can start at a multiple of its size.
  const size_t extent = static_cast<size_t>(bytes + kHugePage);
  void* got = mmap(nullptr, extent, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  char* const begin = static_cast<char*>(got);
  const int64_t lead = gap(begin, kHugePage);
  if (lead > 0) munmap(begin, static_cast<size_t>(lead));
  if (lead < kHugePage) munmap(begin + lead + bytes, static_cast<size_t>(kHugePage - lead));
#ifdef MADV_HUGEPAGE
  if (huge) madvise(begin + lead, static_cast<size_t>(bytes), MADV_HUGEPAGE);
#endif
  (void)huge;
  return begin + lead;
#else
  (void)huge;
  return std::aligned_alloc(kHugePage, static_cast<size_t>(bytes));
#endif
}

void unmap(void* data, int64_t bytes) {
#ifdef PAG_MMAP
  munmap(data, static_cast<size_t>(bytes));
#else
  (void)bytes;
  std::free(data);
#endif
}

// Gives the whole pages of [begin, end) back; they read as zero when next touched.
void discard(char* begin, char* end) {
#ifdef __linux__
  static const int64_t page = sysconf(_SC_PAGESIZE);
  char* const first = begin + gap(begin, page);
  const int64_t bytes = (end - first) / page * page;
  if (bytes > 0) madvise(first, static_cast<size_t>(bytes), MADV_DONTNEED);
#else
  (void)begin, (void)end;
#endif
}

// ---- free blocks by size ------------------------------------------------------------------------

// Each doubling of the size has 16 lists.
class FreeLists {
 public:
  void insert(Block* b) {
    const int list = list_of(b->size);
    b->previous_free = nullptr;
    b->next_free = lists_[list];
    if (b->next_free) b->next_free->previous_free = b;
    lists_[list] = b;
    some_[list / 64] |= uint64_t{1} << list % 64;
  }

  void remove(Block* b) {
    const int list = list_of(b->size);
    (b->previous_free ? b->previous_free->next_free : lists_[list]) = b->next_free;
    if (b->next_free) b->next_free->previous_free = b->previous_free;
    if (!lists_[list]) some_[list / 64] &= ~(uint64_t{1} << list % 64);
  }

  // The best of those that are at least that large, or null.
  Block* find(int64_t size) const {
    Block* best = nullptr;
    int list = list_of(size), seen = 0;
    for (Block* b = lists_[list]; b && seen < kLongestSearch; b = b->next_free, ++seen)
      if (b->size >= size && (!best || b->size < best->size)) best = b;
    if (best) return best;
    ++list;
    for (int word = list / 64; word < kLists / 64; ++word) {
      uint64_t some = some_[word];
      if (word == list / 64) some &= ~uint64_t{0} << list % 64;
      if (some) return lists_[word * 64 + __builtin_ctzll(some)];
    }
    return nullptr;
  }

  template <class F>
  void each(F&& f) {
    for (Block* b : lists_)
      for (; b; b = b->next_free) f(b);
  }

 private:
  static constexpr int kLists = 64 * 16, kLongestSearch = 64;
  static int list_of(int64_t size) {  // at least kAlignment
    const int log = 63 - __builtin_clzll(static_cast<uint64_t>(size));
    return log * 16 + static_cast<int>(size >> (log - 4) & 15);
  }

  Block* lists_[kLists] = {};
  uint64_t some_[kLists / 64 + 1] = {};  // a bit a list that is not empty
};

// ---- all of it ----------------------------------------------------------------------------------

class Memory {
 public:
  void* acquire(int64_t bytes) {
    if (bytes < 0 || bytes > kMostBytes) return nullptr;
    const int64_t size = round_up(bytes, kAlignment) + static_cast<int64_t>(sizeof(Block));
    const std::lock_guard<std::mutex> lock(mutex);
    Block* block = from_list(size);
    if (!block) block = from_top(size);
    if (!block && grow(size)) block = from_top(size);
    if (!block) return nullptr;
    stats_.in_use += block->size;
    if (stats_.in_use > stats_.peak) stats_.peak = stats_.in_use;
    return block + 1;
  }

  void release(void* data) {
    Block* block = static_cast<Block*>(data) - 1;
    Segment* const segment = block->segment;
    const std::lock_guard<std::mutex> lock(mutex);
    stats_.in_use -= block->size;
    stats_.cached += block->size;
    block->pages = block->size;
    if (Block* next = after(block); next && next->pages >= 0) {
      lists_.remove(next);
      join(block, next);
    }
    if (Block* before = block->before; before && before->pages >= 0) {
      lists_.remove(before);
      join(before, block);
      block = before;
    }
    if (after(block))
      lists_.insert(block);
    else
      lower_top(block);
    if (stats_.cached <= stats_.limit) return;
    if (!segment->last)
      drop(segment);
    else if (segment->top > offset_of(block))
      discard_block(block);
    else
      discard_top(segment);
  }

  MemoryStats stats() {
    const std::lock_guard<std::mutex> lock(mutex);
    return stats_;
  }
  void reset_peak() {
    const std::lock_guard<std::mutex> lock(mutex);
    stats_.peak = stats_.in_use;
  }
  void set_limit(int64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex);
    stats_.limit = bytes;
    if (stats_.cached > bytes) give_back();
  }
  void empty() {
    const std::lock_guard<std::mutex> lock(mutex);
    give_back();
  }

  std::mutex mutex;
  std::atomic<bool> huge{true};

 private:
  static constexpr int64_t kMostBytes = int64_t{1} << 60;

  Block* from_list(int64_t size) {
    Block* block = lists_.find(size);
    if (!block) return nullptr;
    lists_.remove(block);
    const int64_t rest = block->size - size;
    ++(block->pages >= (rest < kSmallestRest ? block->size : size) ? stats_.hits : stats_.misses);
    if (rest >= kSmallestRest) {
      Block* const next = after(block);
      block->size = size;
      Block* cut = reinterpret_cast<Block*>(reinterpret_cast<char*>(block) + size);
      cut->segment = block->segment;
      cut->before = block;
      cut->size = rest;
      // Which bytes have pages is not known of a block that joined others: the least is assumed.
      cut->pages = block->pages > size ? block->pages - size : 0;
      stats_.cached -= block->pages - cut->pages;
      next->before = cut;  // a free block never ends at the top
      lists_.insert(cut);
    } else {
      stats_.cached -= block->pages;
    }
    block->pages = -1;
    return block;
  }

  Block* from_top(int64_t size) {
    Segment* best = nullptr;
    for (Segment* s = segments_; s; s = s->next)
      if (s->size - s->top >= size && (!best || s->size - s->top < best->size - best->top))
        best = s;
    if (!best) return nullptr;
    Block* block = reinterpret_cast<Block*>(address(best, best->top));
    block->segment = best;
    block->before = best->last;
    block->size = size;
    block->pages = -1;
    stats_.cached -= best->touched - best->top;
    best->last = block;
    best->top += size;
    ++(best->top <= best->touched ? stats_.hits : stats_.misses);
    if (best->top > best->touched) best->touched = best->top;
    stats_.cached += best->touched - best->top;
    return block;
  }

  static void join(Block* block, Block* next) {
    Block* const beyond = after(next);
    if (beyond)
      beyond->before = block;
    else
      block->segment->last = block;
    block->size += next->size;
    block->pages += next->pages;
  }

  // The last block, free and in no list, becomes part of the room above the top.
  void lower_top(Block* block) {
    Segment* const s = block->segment;
    stats_.cached += block->size - block->pages;  // as if all of it had its pages
    s->last = block->before;
    s->top -= block->size;
  }

  bool grow(int64_t size) {
    constexpr int64_t kHeader = sizeof(Segment);
    const int64_t least = round_up(size + kHeader, kHugePage);
    int64_t wanted = least > kSegmentLeast ? least : kSegmentLeast;
    void* got = map(wanted, huge);
    if (!got) {
      give_back();
      got = map(wanted = least, huge);
    }
    if (!got) return false;
    Segment* s = static_cast<Segment*>(got);
    s->size = wanted;
    s->top = s->touched = kHeader;
    s->last = nullptr;
    s->previous = nullptr;
    s->next = segments_;
    if (segments_) segments_->previous = s;
    segments_ = s;
    stats_.mapped += wanted;
    return true;
  }

  // A segment without blocks.
  void drop(Segment* s) {
    stats_.cached -= s->touched - s->top;
    stats_.mapped -= s->size;
    (s->previous ? s->previous->next : segments_) = s->next;
    if (s->next) s->next->previous = s->previous;
    unmap(s, s->size);
  }

  void discard_block(Block* b) {
    discard(reinterpret_cast<char*>(b + 1), reinterpret_cast<char*>(b) + b->size);
    stats_.cached -= b->pages;
    b->pages = 0;
  }
  void discard_top(Segment* s) {
    discard(address(s, s->top), address(s, s->touched));
    stats_.cached -= s->touched - s->top;
    s->touched = s->top;
  }

  void give_back() {
    lists_.each([this](Block* b) { discard_block(b); });
    for (Segment *s = segments_, *next; s; s = next) {
      next = s->next;
      s->last ? discard_top(s) : drop(s);
    }
#ifdef __GLIBC__
    malloc_trim(0);
#endif
  }

  FreeLists lists_;
  Segment* segments_ = nullptr;
  MemoryStats stats_{0, 0, 0, INT64_MAX, 0, 0, 0};
};

// Never destroyed: arrays may outlive everything else.
Memory& memory() {
  static Memory* const memory = new Memory;
  return *memory;
}

#ifdef PAG_MMAP
// A child must not find the lock held by a thread that it does not have.
const int registered =
    pthread_atfork([] { memory().mutex.lock(); }, [] { memory().mutex.unlock(); },
                   [] { memory().mutex.unlock(); });
#endif

}  // namespace

void* acquire_memory(int64_t bytes) { return memory().acquire(bytes); }
void release_memory(void* data) {
  if (data) memory().release(data);
}
int64_t memory_size(const void* data) {
  return static_cast<const Block*>(data)[-1].size - static_cast<int64_t>(sizeof(Block));
}
MemoryStats memory_stats() { return memory().stats(); }
void reset_peak_memory() { memory().reset_peak(); }
void set_cache_limit(int64_t bytes) { memory().set_limit(bytes); }
void empty_cache() { memory().empty(); }
bool huge_pages() { return memory().huge; }
void set_huge_pages(bool wanted) { memory().huge = wanted; }

}  // namespace pag
