// A file that is complete before it has a name.
//
// Until then no reader of its path finds it, and where the file system can (O_TMPFILE, open(2)) no
// trace of it remains if this process dies. Main thread.
#pragma once

#include <cstddef>
#include <string>

#include "base/file_descriptor.h"

namespace cpss {

class NewFile {
 public:
  // Makes the file in the folder of `path`, its later name: mode 0640, `bytes` zeroed and reserved.
  // Throws StatsRegionError.
  NewFile(std::string path, std::size_t bytes);
  ~NewFile();
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;

  int descriptor() const noexcept { return file_.get(); }
  bool in_place() const noexcept { return in_place_; }
  // Gives the file its name, replacing a file of that name. Returns 0, or an errno: try again.
  int put_into_place() noexcept;

 private:
  // Temporary names beside the path, one for each attempt.
  std::string name_for(int attempt) const;
  int give_other_name() noexcept;

  std::string path_;
  std::string other_name_;  // the temporary name that it has now; empty: none
  FileDescriptor file_;
  bool in_place_ = false;
};

}  // namespace cpss
