#include "stages/lane/queue_wait.h"

#include <poll.h>

#include "stages/lane/semaphore_clock.h"

namespace cpss {

bool QueueWait::wait(const RunResult& last) noexcept {
  if (last.full != nullptr) {
    wait_for_room(*last.full);
    return true;
  }
  const TakeResult result =
      book_wait_for(stats_, [&] { return w_.queue.wait(w_.batch, deadline_after(w_.longest)); });
  return result.status != TakeStatus::closed;
}

void QueueWait::wait_for_room(const DatagramSocket& full) noexcept {
  pollfd room{full.descriptor(), POLLOUT, 0};
  const int ready = poll(&room, 1, static_cast<int>(kLongestForRoom.count()));
  stats_.add(Counter::syscalls);
  stats_.add(Counter::wait_calls);
  failed_waits_.pause_after(ready);
}

}  // namespace cpss
