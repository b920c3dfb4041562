// A shared file mapping that survives the truncation of its file.
//
// Every process that may write the file can also truncate it; an access beyond the new end is then
// a SIGBUS (mmap(2)). The first mapping of the process installs a handler for it. For a fault
// inside a FileMapping the handler puts zeroed private memory over the whole mapping, and the
// access is repeated: from then on lost() is true, reads give zeros or later writes, and nothing
// reaches the file any more. Any other SIGBUS goes on to the handler installed before.
//
// Conditions: no thread that touches a mapping blocks SIGBUS (the kernel kills a process that
// faults with the signal blocked), and no code replaces the handler afterwards.
//
// Thread-safety: any thread may make or destroy a mapping, and call lost().
#pragma once

#include <cstddef>

namespace cpss {

class FileMapping {
 public:
  enum class Access { read, write };
  static constexpr std::size_t kMaxMappings = 64;  // at once, in one process

  // Maps `bytes` > 0 bytes from the beginning of the file; the caller may then close the
  // descriptor. With Access::write the pages are made present at once, so that no first write waits
  // for one.
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
