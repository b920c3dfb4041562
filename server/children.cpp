#include "server/children.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/exit_codes.h"

namespace cpss {
namespace {

// Neither destructors nor what exit(3) does: all of that is the parent's.
[[noreturn]] void run_child(const char* name, Outlives outlives, pid_t parent,
                            const std::function<void()>& body) {
  if (outlives == Outlives::no) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(kExitInternal);  // it was too late for that
  }
  prctl(PR_SET_NAME, name);
  try {
    body();
  } catch (...) {
    _exit(kExitInternal);
  }
  _exit(kExitOk);
}

}  // namespace

int Children::start(std::size_t place, const char* name, Outlives outlives,
                    const std::function<void()>& body) {
  const pid_t parent = getpid();
  const std::lock_guard lock(mutex_);
  const pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) run_child(name, outlives, parent, body);
  place_of_.emplace(child, place);
  return 0;
}

void Children::reap(const std::function<void(std::size_t place, ProcessEnd end)>& ended) {
  for (;;) {
    std::size_t place = 0;
    int status = 0;
    {
      const std::lock_guard lock(mutex_);
      if (place_of_.empty()) return;
      const pid_t child = waitpid(-1, &status, WNOHANG);
      if (child <= 0) return;
      const auto found = place_of_.find(child);
      if (found == place_of_.end()) continue;  // not one of ours
      place = found->second;
      place_of_.erase(found);
    }
    ended(place, {WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                  WIFSIGNALED(status) ? WTERMSIG(status) : 0});
  }
}

void Children::kill_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [child, place] : place_of_) kill(child, SIGKILL);
}

std::size_t Children::running() const {
  const std::lock_guard lock(mutex_);
  return place_of_.size();
}

bool Children::runs(std::size_t place) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(place_of_, [place](const auto& one) { return one.second == place; });
}

}  // namespace cpss
