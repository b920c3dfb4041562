// Memory as queues, pools and semaphores need it: zeroed, page-aligned, untouched until used.
#pragma once

#include <cstddef>
#include <new>

#include <sys/mman.h>

namespace cpss {

class ZeroedMemory {
 public:
  // Shared memory stays the same memory in a forked child.
  enum class Sharing { process_private, process_shared };

  explicit ZeroedMemory(std::size_t bytes, Sharing sharing = Sharing::process_private)
      : bytes_(bytes),
        start_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_ANONYMOUS | MAP_NORESERVE |
                        (sharing == Sharing::process_shared ? MAP_SHARED : MAP_PRIVATE),
                    -1, 0)) {
    if (start_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~ZeroedMemory() { munmap(start_, bytes_); }
  ZeroedMemory(const ZeroedMemory&) = delete;
  ZeroedMemory& operator=(const ZeroedMemory&) = delete;

  void* get() const noexcept { return start_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::size_t bytes_;
  void* start_;
};

}  // namespace cpss
