// Zeroed memory whose pages exist only once they are touched: private to the process, or shared
// with the processes that it starts.
#pragma once

#include <cstddef>

namespace cpss {

enum class Sharing : bool { process_private, process_shared };

class Memory {
 public:
  // `name`: of shared memory in /proc/pid/maps. Throws std::bad_alloc if the address space is used
  // up, std::system_error if the kernel provides no shared memory.
  explicit Memory(std::size_t bytes, Sharing sharing = Sharing::process_private,
                  const char* name = "cpss");
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::byte* data() const noexcept { return data_; }  // aligned to a page

 private:
  std::byte* data_;
  std::size_t bytes_;
};

}  // namespace cpss
