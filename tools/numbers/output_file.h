// A file that is complete and on the disk before it has a name, or replaces one that has it.
//
// One thread.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"

namespace cpss::numbers_tool {

// what() is one line, with the path.
class OutputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// To standard output. Throws OutputError.
void print(std::string_view text);

// All of it throws OutputError.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  // fsync(2), and rename(2) to its path.
  void finish();

 private:
  [[noreturn]] void fail(const char* what) const;

  const std::string path_;
  std::string temporary_;  // the name that it has until then; empty: none (O_TMPFILE, open(2))
  FileDescriptor file_;
};

}  // namespace cpss::numbers_tool
