#include "base/detached_thread.h"

#include <cstddef>
#include <memory>
#include <utility>

#include <pthread.h>
#include <signal.h>

namespace cpss {
namespace {

constexpr std::size_t kStackBytes = std::size_t{256} << 10;

struct Start {
  const char* name;
  std::function<void()> work;
};

void* run(void* start) noexcept {
  const std::unique_ptr<Start> own(static_cast<Start*>(start));
  pthread_setname_np(pthread_self(), own->name);
  own->work();
  return nullptr;
}

// While it exists, blocks all signals in the calling thread and in the threads that it starts.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

int start_detached_thread(const char* name, std::function<void()> work) {
  auto start = std::make_unique<Start>(Start{name, std::move(work)});
  const AllSignalsBlocked blocked;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread{};
  Start* const given = start.release();  // owned by the new thread, if there is one
  const int error = pthread_create(&thread, &attributes, run, given);
  pthread_attr_destroy(&attributes);
  if (error != 0) start.reset(given);
  return error;
}

}  // namespace cpss
