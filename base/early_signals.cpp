#include "base/early_signals.h"

#include <array>

#include <signal.h>
#include <unistd.h>

namespace cpss {
namespace {

struct sigaction action_of(int signal) noexcept {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action;
}

// A handler for process 1 only. Other processes need none, and without one a signal ends them also
// inside a system call that only a deadly signal interrupts. The exit code is the one that a shell
// reports for a process that a signal has ended.
void end_process_1(int signal) {
  constexpr int kEndedBySignal = 128;
  _exit(kEndedBySignal + signal);
}

}  // namespace

bool is_ignored(int signal) noexcept {
  const struct sigaction action = action_of(signal);
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

bool has_default_effect(int signal) noexcept {
  const struct sigaction action = action_of(signal);
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

void end_at_once_on_signals() noexcept {
  sigset_t ends;
  sigemptyset(&ends);
  for (const int number :
       {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU}) {
    sigaddset(&ends, number);
    if (getpid() == 1 && has_default_effect(number)) signal(number, end_process_1);
  }
  pthread_sigmask(SIG_UNBLOCK, &ends, nullptr);
}

}  // namespace cpss
