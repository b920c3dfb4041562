// At most one server for a path: a write lock on a file beside the region.
//
// The lock is a record lock (fcntl(2)): the kernel drops it when its process ends, however that
// happens, so a lock file left behind is no obstacle; and it names its holder. The file itself is
// never removed by a server, because removing it would let two lock two files of the same name:
// what if somebody else does is in stats/region_care.h and stats/region_lock.h. Such a lock does
// not tell two holders in one process apart and ends when that process closes any descriptor of the
// file; a list in this process sees to both.
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
  // Locks `path`, creating it with mode 0640. Throws StatsRegionError, code() EBUSY and the
  // holder's pid in what() where it is held; `region` is the path the text speaks of.
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

// Throws as a ServerLock does of what is at `path` and can be no lock file. Makes nothing, looks at
// no lock. Not for a process that has the lock: it would lose it.
void require_place_for_lock(const std::string& path);

}  // namespace cpss
