#include "server/pipeline/children.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <utility>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exit_codes.h"

namespace cpss {
namespace {

bool has_ended(pid_t child) {
  siginfo_t seen{};
  return waitid(P_PID, static_cast<id_t>(child), &seen, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         seen.si_pid != 0;
}

// Runs neither destructors nor what exit(3) runs: all of that is the parent's.
[[noreturn]] void run_child(const char* name, Outlives outlives, pid_t parent,
                            const std::function<void()>& body) {
  if (outlives == Outlives::no) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(kExitInternal);  // the parent has ended before prctl()
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
  unsigned killings_before = 0;
  {
    const std::lock_guard lock(mutex_);
    starting_.push_back(place);
    killings_before = killings_;
  }
  const pid_t child = fork();
  if (child == 0) run_child(name, outlives, parent, body);
  const int error = child < 0 ? errno : 0;
  const std::lock_guard lock(mutex_);
  std::erase(starting_, place);
  if (std::exchange(deferred_, false)) kill(parent, SIGCHLD);
  if (error != 0) return error;
  place_of_.emplace(child, place);
  if (killings_ != killings_before) kill(child, SIGKILL);
  return 0;
}

void Children::reap(const std::function<void(std::size_t place, ProcessEnd end)>& ended) {
  for (;;) {
    std::size_t place = 0;
    int status = 0;
    {
      const std::lock_guard lock(mutex_);
      if (place_of_.empty() && starting_.empty()) return;
      siginfo_t seen{};  // stays so if no child has ended: waitid(2)
      if (waitid(P_ALL, 0, &seen, WEXITED | WNOHANG | WNOWAIT) != 0 || seen.si_pid == 0) return;
      auto found = place_of_.find(seen.si_pid);
      if (found == place_of_.end()) {
        // Somebody else's, who waits for it himself: it stays in front of ours. Or ours, of a start
        // that is under way.
        if (!starting_.empty()) deferred_ = true;
        found =
            std::ranges::find_if(place_of_, [](const auto& one) { return has_ended(one.first); });
        if (found == place_of_.end()) return;
      }
      waitpid(found->first, &status, 0);
      place = found->second;
      place_of_.erase(found);
    }
    ended(place, {WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                  WIFSIGNALED(status) ? WTERMSIG(status) : 0});
  }
}

void Children::kill_all() {
  const std::lock_guard lock(mutex_);
  ++killings_;
  for (const auto& [child, place] : place_of_) kill(child, SIGKILL);
}

std::size_t Children::running() const {
  const std::lock_guard lock(mutex_);
  return place_of_.size() + starting_.size();
}

bool Children::runs(std::size_t place) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::find(starting_, place) != starting_.end() ||
         std::ranges::any_of(place_of_, [place](const auto& one) { return one.second == place; });
}

}  // namespace cpss
