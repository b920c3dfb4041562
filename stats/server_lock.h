// At most one server for a path: a write lock on a file beside the region.
//
// The lock is a record lock (fcntl(2)): the kernel drops it when its process ends, in whatever way,
// so a lock file left behind is no obstacle; and it names its holder. A server never removes the
// file itself, because then two servers could lock two files of the same name; if another process
// removes it: stats/region_care.h, stats/region_lock.h. Such a lock does not tell two holders in
// one process apart, and ends when that process closes any descriptor of the file; a list in this
// process takes care of both.
//
// Not inherited by fork(2): a child that destroys its copy unlocks nothing.
#pragma once

#include <string>
#include <utility>

#include <sys/types.h>

#include "base/file_descriptor.h"

namespace cpss {

class ServerLock {
 public:
  // Locks `path`, creating it with mode 0640. Throws StatsRegionError; if the lock is held, with
  // code() EBUSY and the holder's pid in what(). `region` is the path that the text names.
  ServerLock(const std::string& path, const std::string& region);
  ~ServerLock();
  ServerLock(const ServerLock&) = delete;
  ServerLock& operator=(const ServerLock&) = delete;

  const std::string& path() const noexcept { return path_; }  // of the lock file
  int descriptor() const noexcept { return file_.get(); }

 private:
  std::string path_;
  FileDescriptor file_;
  std::pair<dev_t, ino_t> identity_;
};

// Throws as ServerLock does if the file at `path` can be no lock file. Makes no file, tests no
// lock. A process that has the lock must not call it: it would lose the lock.
void require_place_for_lock(const std::string& path);

}  // namespace cpss
