#include "server/daemon/signals.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <vector>

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include "base/early_signals.h"
#include "server/daemon/log.h"

namespace cpss {
namespace {

// Requests to end; SIGQUIT asks for a core file, too.
constexpr std::array kRequests = {SIGTERM, SIGINT, SIGQUIT};

// A time limit of the process is over. It may have been set before the server was executed:
// alarm(2) and setitimer(2) outlive execve(2), and so does 'ulimit -S -t'.
const std::vector<int> kTimeLimits = {SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU};

// Signals that would end the process and mean nothing to the server.
std::vector<int> meaningless() {
  std::vector<int> result = {SIGUSR1, SIGUSR2, SIGIO, SIGPWR, SIGSTKFLT};
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) result.push_back(signal);
  return result;
}

void add_default_ones(const std::vector<int>& signals, sigset_t& set) {
  for (const int signal : signals)
    if (has_default_effect(signal)) sigaddset(&set, signal);
}

sigset_t meaningless_set() {
  sigset_t set;
  sigemptyset(&set);
  add_default_ones(meaningless(), set);
  return set;
}

}  // namespace

void secure_signals() {
  end_at_once_on_signals();
  sigset_t set = meaningless_set();
  // It waits until the server runs. (A signal that is ignored does not wait.)
  std::signal(SIGHUP, SIG_DFL);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

EndSignals::EndSignals(bool children) : set_(meaningless_set()) {
  // (A blocked signal is not ignored: the set must not hold those that were ignored.)
  for (const int signal : kRequests)
    if (!is_ignored(signal)) sigaddset(&set_, signal);
  add_default_ones(kTimeLimits, set_);
  sigaddset(&set_, SIGHUP);
  // The process that started us may ignore it, which outlives exec, and then the kernel does not
  // tell us how a child has ended (sigaction(2)). Every server may have one, which loads data.
  signal(SIGCHLD, SIG_DFL);
  if (children) sigaddset(&set_, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int EndSignals::wait(std::chrono::milliseconds longest) {
  const timespec timeout{static_cast<time_t>(longest.count() / 1000),
                         static_cast<long>(longest.count() % 1000 * 1'000'000)};
  const int signal = sigtimedwait(&set_, nullptr, &timeout);
  if (signal <= 0 || signal == SIGCHLD) return 0;
  if (signal == SIGHUP) {
    hangup_ = true;
    return 0;
  }
  static const sigset_t nothing = meaningless_set();
  if (sigismember(&nothing, signal) != 1) return signal;
  if (told_.insert(signal).second)
    log::warning(fmt::format("{} (signal {}) does nothing here; this is said once",
                             strsignal(signal), signal));
  return 0;
}

bool EndSignals::is_time_limit(int signal) noexcept {
  return std::ranges::find(kTimeLimits, signal) != kTimeLimits.end();
}

void end_by(int signal) {
  std::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  raise(signal);
  constexpr int kEndedBySignal = 128;
  _exit(kEndedBySignal + signal);
}

}  // namespace cpss
