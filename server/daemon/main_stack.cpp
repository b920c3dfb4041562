#include "server/daemon/main_stack.h"

#include <stdexcept>

#include <fmt/format.h>
#include <sys/resource.h>

namespace cpss {

// The kernel checks the limit whenever the stack is to grow, and leaves at least 128 MiB of
// addresses below it free whatever the limit was at the start. So a limit set later holds
// (acct_stack_growth() in mm/vma.c, mmap_base() in arch/x86/mm/mmap.c of Linux).
void require_main_stack(std::size_t bytes, const std::string& user) {
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) != 0) return;
  if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes) return;
  if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= bytes) {
    const rlimit enough{bytes, limit.rlim_max};
    if (setrlimit(RLIMIT_STACK, &enough) == 0) return;
  }
  throw std::runtime_error(fmt::format(
      "the stack may be {} KiB at most, and {} {} KiB: raise 'ulimit -Hs' and 'ulimit -s'",
      limit.rlim_max / 1024, user, bytes / 1024));
}

}  // namespace cpss
