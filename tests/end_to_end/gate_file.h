// The gate of the tests' server (gate.h) as a test holds it: closed from the beginning.
#pragma once

#include <string>

#include <unistd.h>

#include "tests/support/temporary_folder.h"

namespace cpss {

class GateFile {
 public:
  GateFile() { close(); }

  void close() const { write_file(path_, ""); }
  void open() const { unlink(path_.c_str()); }
  const std::string& path() const noexcept { return path_; }

 private:
  TemporaryFolder folder_;
  const std::string path_ = folder_.file("gate");
};

}  // namespace cpss
