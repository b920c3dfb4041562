#include "config/sandbox.h"

#include <cerrno>
#include <memory>

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace cpss {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kFilter = false;
#else
constexpr bool kFilter = true;
#endif

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

// The calls of glibc's malloc, exceptions and abort(3), and those that end a process.
constexpr int kAllowed[] = {
    SCMP_SYS(brk),          SCMP_SYS(munmap),          SCMP_SYS(mremap),
    SCMP_SYS(madvise),      SCMP_SYS(futex),           SCMP_SYS(getrandom),
    SCMP_SYS(getpid),       SCMP_SYS(gettid),          SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(exit),
    SCMP_SYS(exit_group)};

bool add_rules(scmp_filter_ctx filter, int descriptor) {
  for (const int call : kAllowed)
    if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) != 0) return false;
  // Both have the protection as their third argument.
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
    if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                         SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0)
      return false;
  // Signals to this process alone, as abort(3) sends one.
  return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                          SCMP_A0_32(SCMP_CMP_EQ, static_cast<unsigned>(getpid()))) == 0 &&
         seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                          SCMP_A0_32(SCMP_CMP_EQ, static_cast<unsigned>(descriptor))) == 0;
}

// A kernel with filters refuses the null filter; one without does not know the mode (EINVAL).
bool there_are_filters() noexcept {
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr) == 0 || errno != EINVAL;
}

}  // namespace

bool enter_sandbox(int descriptor) {
  if (!kFilter || !there_are_filters()) return true;
  const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release);
  return filter != nullptr && add_rules(filter.get(), descriptor) &&
         seccomp_load(filter.get()) == 0;
}

}  // namespace cpss
