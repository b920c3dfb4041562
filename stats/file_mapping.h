// A shared file mapping whose owner survives the loss of the file.
//
// Whoever may write the file can also truncate it; an access beyond the new end is then a SIGBUS
// (mmap(2)). The first mapping of the process installs a handler for it. For a fault inside a
// FileMapping the handler puts zeroed private memory over the whole mapping and the access is
// repeated: from then on lost() is true, reads give zeros or what was written since, and nothing
// reaches the file any more. Any other SIGBUS goes on to what was installed before.
//
// What must hold: no thread that touches a mapping blocks SIGBUS (the kernel kills a process that
// faults with the signal blocked), and nobody replaces the handler afterwards.
//
// Thread-safety: the mapping may be made and destroyed on any thread; lost() is for any thread.
#pragma once

#include <cstddef>

namespace cpss {

class FileMapping {
 public:
  enum class Access { read, write };
  static constexpr std::size_t kMaxMappings = 64;  // at once, in one process

  // Maps `bytes` > 0 bytes from the beginning of the file; the descriptor may be closed after. With
  // Access::write the pages are made present at once, so that no first write waits for one.
  // Throws std::system_error.
  FileMapping(int fd, std::size_t bytes, Access access);
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return bytes_; }
  bool lost() const noexcept;

 private:
  std::byte* data_;
  std::size_t bytes_;
  std::size_t guard_;  // its place in the handler's table
};

}  // namespace cpss
