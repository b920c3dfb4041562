#include "server/neighbour_watch.h"

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/detached_thread.h"
#include "net/neighbours.h"
#include "queue/semaphore.h"
#include "server/log.h"
#include "stages/clock.h"

namespace cpss {
namespace {

constexpr std::chrono::milliseconds kShortestPause{100};

}  // namespace

// `found` and `error` belong to the thread while it has a token of `asked` and has not given one of
// `answered` for it, else to the main thread: the semaphores order the hand-over.
struct NeighbourWatch::Shared {
  Neighbours found;
  int error = 0;
  Semaphore asked;  // closed: the thread ends
  Semaphore answered;

  void read() noexcept {
    try {
      found = read_neighbours();
      error = 0;
    } catch (const std::system_error& failure) {
      error = failure.code().value();
    } catch (...) {
      error = ENOMEM;
    }
  }

  // The thread.
  void answer_all() noexcept {
    while (asked.take(1).status == TakeStatus::taken) {
      read();
      answered.post(1);
    }
  }
};

NeighbourWatch::NeighbourWatch(ReachMap& map) : map_(map), shared_(std::make_shared<Shared>()) {}

NeighbourWatch::~NeighbourWatch() {
  shared_->asked.close();
}

bool NeighbourWatch::collect() {
  if (!asked_) return false;
  if (shared_->answered.try_take(1) == 0) return true;
  asked_ = false;
  publish();
  return false;
}

void NeighbourWatch::look() {
  if (collect()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_asked_ < kShortestPause) return;
  last_asked_ = now;
  if (!started_) start_thread();
  if (!started_) return;
  asked_ = true;
  shared_->asked.post(1);
}

void NeighbourWatch::publish() {
  if (shared_->error != 0) {
    complain(shared_->error, "cannot read the kernel's neighbour tables");
  } else {
    map_.begin();
    for (const Neighbours::Entry& entry : shared_->found.entries) map_.add(entry.ip, entry.reach);
    for (const Prefix& network : shared_->found.networks) map_.add_network(network);
    map_.publish(now_ns());
    ++looks_;
  }
}

void NeighbourWatch::start_thread() {
  const int error = start_detached_thread("neighbours", [own = shared_] { own->answer_all(); });
  if (error != 0) complain(error, "no thread to look into the kernel's neighbour tables");
  started_ = error == 0;
}

void NeighbourWatch::complain(int error, const char* what) {
  if (std::exchange(complained_, true)) return;
  log::warning(fmt::format(
      "{}: {}; while replies to hosts that do not exist fill a send buffer, other hosts' replies "
      "may fail, too; allow AF_NETLINK sockets, or raise CPSS_SOCKET_BUFFER; this is said once",
      what, std::strerror(error)));
}

}  // namespace cpss
