#include "server/daemon/privileges.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include <cap-ng.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "stats/location.h"

namespace cpss {
namespace {

constexpr const char* kNeeds =
    "that needs root, or the capabilities CAP_SETUID, CAP_SETGID and CAP_CHOWN; without CPSS_USER "
    "the server stays who has started it";

[[noreturn]] void fail(const std::string& what) {
  throw PrivilegeError(fmt::format("{}: {}", what, std::strerror(errno)));
}

bool raise_real_time_limit(unsigned priority) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_RTPRIO, &limit) != 0) return false;
  if (limit.rlim_cur >= priority) return true;
  limit.rlim_cur = priority;
  limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
  return ::setrlimit(RLIMIT_RTPRIO, &limit) == 0;
}

// Uses a descriptor that is opened for nothing (O_PATH): closing any other would drop the record
// lock on the file (fcntl_locking(2)).
void give(const std::string& path, uid_t user, gid_t group) {
  const FileDescriptor file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0)
    throw std::system_error(errno, std::generic_category(), path);
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) return;
  if (::fchownat(file.get(), "", user, group, AT_EMPTY_PATH) != 0)
    throw PrivilegeError(fmt::format("{}: cannot be given to the user of CPSS_USER: {}; {}", path,
                                     std::strerror(errno), kNeeds));
}

bool is_already(const UserIdentity& identity) {
  return ::getuid() == identity.user && ::geteuid() == identity.user &&
         ::getgid() == identity.group && ::getegid() == identity.group;
}

// Uses system calls, which change this thread alone. The functions of the C library signal every
// thread and wait for each (nptl(7)), and the log's thread may stand in a write that no signal
// ends.
bool take_user_and_groups(const UserIdentity& identity) noexcept {
  return ::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) == 0 &&
         ::syscall(SYS_setresgid, identity.group, identity.group, identity.group) == 0 &&
         ::prctl(PR_SET_KEEPCAPS, 1) == 0 &&
         ::syscall(SYS_setresuid, identity.user, identity.user, identity.user) == 0 &&
         ::prctl(PR_SET_KEEPCAPS, 0) == 0;
}

// Keeps the permitted capabilities, which are given up later.
void become(const UserIdentity& identity) {
  if (is_already(identity)) return;
  const int dumpable = ::prctl(PR_GET_DUMPABLE);
  if (!take_user_and_groups(identity))
    throw PrivilegeError(fmt::format("cannot become user {}, group {} (CPSS_USER): {}; {}",
                                     identity.user, identity.group, std::strerror(errno), kNeeds));
  // A process that has changed its user leaves no core file (PR_SET_DUMPABLE, prctl(2)), but one
  // that crashes is to leave one. It holds nothing that its user may not see.
  if (dumpable == 1) ::prctl(PR_SET_DUMPABLE, 1);
}

}  // namespace

void require_right_to_become(const UserIdentity& identity) {
  if (is_already(identity)) return;
  capng_get_caps_process();
  for (const unsigned capability :
       {unsigned{CAP_SETUID}, unsigned{CAP_SETGID}, unsigned{CAP_CHOWN}})
    if (capng_have_capability(CAPNG_EFFECTIVE, capability) == 0)
      throw PrivilegeError(fmt::format("cannot become user {}, group {} (CPSS_USER): {}",
                                       identity.user, identity.group, kNeeds));
}

// In a folder that this user owns, replacing a file takes no capability.
bool may_lose_right_to_replace(const std::string& path, const std::optional<UserIdentity>& run_as) {
  if (run_as && !is_already(*run_as)) return true;
  capng_get_caps_process();
  if (capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE) == 0 &&
      capng_have_capability(CAPNG_EFFECTIVE, CAP_FOWNER) == 0)
    return false;
  struct stat folder {};
  return ::stat(folder_of(path).c_str(), &folder) != 0 || folder.st_uid != ::geteuid() ||
         (folder.st_mode & S_IRWXU) != S_IRWXU;
}

void give_region_to(const UserIdentity& identity, const std::string& region) {
  if (is_already(identity)) return;
  constexpr uid_t kSameUser = static_cast<uid_t>(-1);
  give(region, identity.user, identity.group);
  give(region + ".lock", kSameUser, identity.group);
}

void give_up_privileges(const std::optional<UserIdentity>& run_as,
                        std::optional<unsigned> real_time_priority) {
  const bool needs_nice = real_time_priority && !raise_real_time_limit(*real_time_priority);
  // The bounding set comes first, since changing it needs a capability. Without that capability the
  // set does no harm: no program that is executed gets capabilities that this process does not
  // have.
  capng_clear(CAPNG_SELECT_BOTH);
  capng_apply(CAPNG_SELECT_BOUNDS);
  if (run_as) become(*run_as);

  capng_get_caps_process();
  const bool keeps_nice = needs_nice && capng_have_capability(CAPNG_PERMITTED, CAP_SYS_NICE) != 0;
  capng_clear(CAPNG_SELECT_CAPS);
  if (keeps_nice)
    capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                 CAP_SYS_NICE);
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) fail("cannot give up capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("PR_SET_NO_NEW_PRIVS");
}

}  // namespace cpss
