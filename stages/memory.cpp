#include "stages/memory.h"

#include <new>

#include <sys/mman.h>

namespace cpss {

// MAP_NORESERVE: a server configured for 16 million slots uses, and is charged for, those it needs.
Memory::Memory(std::size_t bytes) : data_(nullptr), bytes_(bytes) {
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(mapped);
}

Memory::~Memory() {
  munmap(data_, bytes_);
}

}  // namespace cpss
