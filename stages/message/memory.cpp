#include "stages/message/memory.h"

#include <cerrno>
#include <new>
#include <string>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

namespace cpss {
namespace {

// MAP_NORESERVE: a server configured for 16 million slots uses, and is charged for, those it needs.
void* map(std::size_t bytes, int flags, int descriptor) {
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, descriptor, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  return mapped;
}

// A memory file (memfd_create(2)): like anonymous shared memory, but with a name.
void* map_shared(const char* name, std::size_t bytes) {
  const std::string what = std::string("shared memory for ") + name;
  const int file = memfd_create(name, MFD_CLOEXEC);
  if (file < 0) throw std::system_error(errno, std::generic_category(), what);
  if (ftruncate(file, static_cast<off_t>(bytes)) != 0) {
    const int error = errno;
    close(file);
    throw std::system_error(error, std::generic_category(), what);
  }
  try {
    void* mapped = map(bytes, MAP_SHARED, file);
    close(file);  // the mapping keeps the memory
    return mapped;
  } catch (...) {
    close(file);
    throw;
  }
}

}  // namespace

Memory::Memory(std::size_t bytes, Sharing sharing, const char* name)
    : data_(static_cast<std::byte*>(sharing == Sharing::process_shared
                                        ? map_shared(name, bytes)
                                        : map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1))),
      bytes_(bytes) {}

Memory::~Memory() {
  munmap(data_, bytes_);
}

}  // namespace cpss
