// Preloaded into the real cpssd (LD_PRELOAD): counts every allocation of the process in a file that
// the test maps. ALLOCATION_COUNT has the file's name.
#include <cstdlib>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/allocations.h"

namespace {

using Counter = std::atomic<std::uint64_t>;

__attribute__((constructor)) void map_counter() {
  const char* name = std::getenv("ALLOCATION_COUNT");
  if (name == nullptr) return;
  const int fd = open(name, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* mapped = mmap(nullptr, sizeof(Counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) cpss::count_allocations_in(*static_cast<Counter*>(mapped));
}

}  // namespace
