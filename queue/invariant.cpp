#include "queue/invariant.h"

#include <cstdio>
#include <cstdlib>

#include <poll.h>
#include <unistd.h>

namespace cpss {

void invariant_broken(const char* what, std::source_location where) noexcept {
  // At most so long: a lane that stood here for ever would hold up the others, and no service
  // manager starts a server again that has not ended.
  constexpr int kPatienceMs = 100;
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&room, 1, kPatienceMs) == 1 && (room.revents & POLLOUT) != 0)
    std::fprintf(stderr,
                 "cpss: broken invariant: %s (%s:%u). This is a defect; please report it.\n", what,
                 where.file_name(), static_cast<unsigned>(where.line()));
  std::abort();
}

}  // namespace cpss
