#include "server/neighbour_watch.h"

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include "net/neighbours.h"
#include "queue/semaphore.h"
#include "server/log.h"
#include "stages/clock.h"

namespace cpss {
namespace {

constexpr std::chrono::milliseconds kShortestPause{100};
constexpr std::size_t kStackBytes = 256 * 1024;

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

  static void* run(void* argument) noexcept {
    const std::unique_ptr<std::shared_ptr<Shared>> own(
        static_cast<std::shared_ptr<Shared>*>(argument));
    Shared& shared = **own;
    while (shared.asked.take(1).status == TakeStatus::taken) {
      shared.read();
      shared.answered.post(1);
    }
    return nullptr;
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

// With all signals blocked: they are for the main thread. Not in the real-time class, whoever may
// be.
void NeighbourWatch::start_thread() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  auto argument = std::make_unique<std::shared_ptr<Shared>>(shared_);
  std::shared_ptr<Shared>* const given = argument.release();  // the thread's, if there is one
  pthread_t thread{};
  const int error = pthread_create(&thread, &attributes, Shared::run, given);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    argument.reset(given);
    complain(error, "no thread to look into the kernel's neighbour tables");
    return;
  }
  pthread_setname_np(thread, "neighbours");
  started_ = true;
}

void NeighbourWatch::complain(int error, const char* what) {
  if (std::exchange(complained_, true)) return;
  log::warning(fmt::format(
      "{}: {}; while replies to hosts that do not exist fill a send buffer, other hosts' replies "
      "may fail, too; allow AF_NETLINK sockets, or raise CPSS_SOCKET_BUFFER; this is said once",
      what, std::strerror(error)));
}

}  // namespace cpss
