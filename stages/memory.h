// Anonymous memory, zeroed, whose pages exist only once they are touched.
#pragma once

#include <cstddef>

namespace cpss {

class Memory {
 public:
  // Throws std::bad_alloc where the address space is used up.
  explicit Memory(std::size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::byte* data() const noexcept { return data_; }  // aligned to a page

 private:
  std::byte* data_;
  std::size_t bytes_;
};

}  // namespace cpss
