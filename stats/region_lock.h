// The lock that a server has on its region's file as long as it runs: flock(2), exclusive.
//
// It tells a reader in any PID namespace that a server has that very file; a second server that the
// path is taken, even if the lock file beside it was removed; and newer versions of
// systemd-tmpfiles that the file is in use (tmpfiles.d(5)). It lasts until the last process that
// has inherited the descriptor or the mapping is gone, so child processes can hold it for a moment
// longer than the server.
//
// Functions of the descriptor alone; any thread.
#pragma once

#include "stats/region_state.h"

namespace cpss {

// Locks a file that no other process knows yet. False if its file system has no such locks.
bool lock_region(int fd) noexcept;

// Tries a shared lock and gives it back at once: another reader does not notice.
RegionLock look_at_lock(int fd) noexcept;

}  // namespace cpss
