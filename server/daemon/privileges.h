// Gives up the rights of the process once it is set up: its sockets are open, the region is made,
// the data are read, and nothing that remains to be done needs more rights than any user has. This
// happens before the first lane is started, since capabilities are a thread's own. Real-time lanes
// that replace others get their class by RLIMIT_RTPRIO, so that no capability has to be kept for
// them.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>

#include "server/daemon/identity.h"

namespace cpss {

// This process may not change its rights, or files of its user, as it is told to. what() says which
// rights it needs.
class PrivilegeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Whether this process could become that user and give it the region. Throws PrivilegeError.
void require_right_to_become(const UserIdentity& identity);

// Whether the file at `path` may be replaced now, but perhaps not after give_up_privileges().
bool may_lose_right_to_replace(const std::string& path, const std::optional<UserIdentity>& run_as);

// Gives the region's file to that user, and lets the user's group read the lock file beside it,
// which stays its maker's. Leaves alone files that do not belong to this process's user. Throws
// PrivilegeError, std::system_error.
void give_region_to(const UserIdentity& identity, const std::string& region);

// Changes the calling thread, and so all threads and processes that it starts from now on. They
//   * have the user and groups `run_as`, if given;
//   * have no capability, effective, permitted, inheritable, ambient or in the bounding set
//     (capabilities(7)), except for the one below;
//   * cannot get any by executing a program (PR_SET_NO_NEW_PRIVS, prctl(2)).
//
// `real_time_priority`: the highest priority that lanes get. Threads and processes that are started
// later, to replace others, are still to have it. So the limit RLIMIT_RTPRIO is raised to it, for
// which no capability is needed then; if it cannot be raised, CAP_SYS_NICE is kept instead.
//
// All of this is a thread's own: to be called before there is a second thread, except for the
// log's. That thread is replaced afterwards (give_up_rights_of_standard_error()), and not waited
// for: if it stands in a write, it keeps its rights until the write ends, and then ends itself.
// Throws PrivilegeError; then the process has to end.
void give_up_privileges(const std::optional<UserIdentity>& run_as,
                        std::optional<unsigned> real_time_priority);

}  // namespace cpss
