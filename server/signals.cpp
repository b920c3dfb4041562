#include "server/signals.h"

#include <ctime>

#include <pthread.h>

namespace cpss {

EndSignals::EndSignals(bool children) {
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  if (children) {
    // Whoever started us may ignore it, which outlives exec, and then the kernel keeps from us how
    // a child has ended (sigaction(2)).
    signal(SIGCHLD, SIG_DFL);
    sigaddset(&set_, SIGCHLD);
  }
  // A terminal that closes must not cost messages. (A blocked signal is not ignored.)
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaddset(&set_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int EndSignals::wait(std::chrono::milliseconds longest) const {
  const timespec timeout{static_cast<time_t>(longest.count() / 1000),
                         static_cast<long>(longest.count() % 1000 * 1'000'000)};
  const int signal = sigtimedwait(&set_, nullptr, &timeout);
  return signal > 0 && signal != SIGCHLD ? signal : 0;
}

}  // namespace cpss
