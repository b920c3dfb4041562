// What the process may do, given up once it is set up: sockets are open, the region is made, data
// are read, and nothing that is left to do needs more rights than any user has. Before the first
// lane is started, since capabilities are a thread's own. Real-time lanes that replace others get
// their class by RLIMIT_RTPRIO, so that no capability has to be kept for them.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>

#include "server/daemon/identity.h"

namespace cpss {

// This process may not change its rights, or what belongs to its user, as it is told to. what()
// says what it needs.
class PrivilegeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Whether this process could become that user and give it the region. Throws PrivilegeError.
void require_right_to_become(const Identity& identity);

// Whether what is at `path` may be replaced now, but perhaps not after give_up_privileges().
bool may_lose_right_to_replace(const std::string& path, const std::optional<Identity>& run_as);

// Makes the region's file that user's, and lets its group read the lock file beside it, which stays
// its maker's. What does not belong to this process's user is left alone. Throws PrivilegeError,
// std::system_error.
void give_region_to(const Identity& identity, const std::string& region);

// Makes the calling thread, and so all threads and processes that it starts from now on,
//   * the user and groups `run_as`, if given;
//   * without any capability, effective, permitted, inheritable, ambient or in the bounding set
//     (capabilities(7)), but for those below;
//   * unable to get any by executing a program (PR_SET_NO_NEW_PRIVS, prctl(2)).
//
// `real_time_priority`: the highest that lanes get; threads and processes that are started later,
// to replace others, are still to have it. The limit RLIMIT_RTPRIO is raised to it, for which no
// capability is needed then; where it cannot be raised, CAP_SYS_NICE is kept instead.
//
// All of this is a thread's own: to be called before there is a second thread, but for the log's,
// which is replaced afterwards (give_up_rights_of_standard_error()), and not waited for: where it
// stands in a write, it keeps what it has until that ends, and then ends itself. Throws
// PrivilegeError; the process is then to be ended.
void give_up_privileges(const std::optional<Identity>& run_as,
                        std::optional<unsigned> real_time_priority);

}  // namespace cpss
