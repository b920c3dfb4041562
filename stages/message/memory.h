// Zeroed memory whose pages exist only once they are touched: the process's own, or shared with
// those it starts.
#pragma once

#include <cstddef>

namespace cpss {

enum class Sharing : bool { process_private, process_shared };

class Memory {
 public:
  // `name` is what /proc/pid/maps calls shared memory. Throws std::bad_alloc where the address
  // space is used up, std::system_error where there is no shared memory to be had.
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
