// A file that is complete before it has a name.
//
// Until then nobody else sees it, and where the file system can (O_TMPFILE, open(2)) nothing is
// left of it if this process dies. Main thread.
#pragma once

#include <cstddef>
#include <string>

#include "base/file_descriptor.h"

namespace cpss {

class NewFile {
 public:
  // To be called `path`, in whose folder it is made: mode 0640, `bytes` zeroed and reserved. Throws
  // StatsRegionError.
  NewFile(std::string path, std::size_t bytes);
  ~NewFile();
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;

  int descriptor() const noexcept { return file_.get(); }
  bool in_place() const noexcept { return in_place_; }
  // Gives it its name, in place of what may have it. Returns 0, or an errno: it can be tried again.
  int put_into_place() noexcept;

 private:
  // Names beside the path that no other file has.
  std::string name_for(int attempt) const;
  int give_other_name() noexcept;

  std::string path_;
  std::string other_name_;  // that it has meanwhile; empty: none
  FileDescriptor file_;
  bool in_place_ = false;
};

}  // namespace cpss
