#include "stages/lane/failed_waits.h"

#include <cerrno>
#include <ctime>

#include <poll.h>

#include "base/clock.h"

namespace cpss {

bool FailedWaits::pause_after(int ready) noexcept {
  if (ready >= 0 || errno == EINTR) {
    if (!failures_.failing()) return false;
    failures_.succeeded();
    lane_.troubles.over(Trouble::wait);
    return false;
  }
  const int error = errno;
  failures_.failed(monotonic_ns());
  stats_.add(Counter::wait_errors);
  lane_.events.report(EventKind::wait_error, error);
  lane_.troubles.failed(Trouble::wait, error);
  pollfd stop{stop_event_, POLLIN, 0};
  const timespec pause{0, static_cast<long>(failures_.pause_ns())};
  const int seen = ppoll(&stop, saw_stop_ ? 0 : 1, &pause, nullptr);
  if (seen > 0) saw_stop_ = true;
  if (seen < 0) nanosleep(&pause, nullptr);
  return true;
}

}  // namespace cpss
