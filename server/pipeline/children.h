// The child processes of the server, by places: at most one in each at a time. Only the main thread
// reaps them and gives their slots back: so one writer closes the ledger, in one thread.
//
// Thread-safety: any thread. A child is a copy of the process with the calling thread alone.
#pragma once

#include <cstddef>
#include <functional>
#include <unordered_map>
#include <vector>

#include <sys/types.h>

#include "base/priority_mutex.h"

namespace cpss {

// Whether a child goes on when the thread that has started it ends; if not, the kernel kills it.
enum class Outlives : bool { no, yes };

struct ProcessEnd {
  int exit_code = 0;
  int signal = 0;  // the one that has ended it; 0: none
  bool well() const noexcept { return exit_code == 0 && signal == 0; }
};

class Children {
 public:
  // Starts a process, called `name`, that runs `body` and ends with exit code 0; if `body` throws,
  // it ends with another one. Returns 0, or the errno of fork(2).
  int start(std::size_t place, const char* name, Outlives outlives,
            const std::function<void()>& body);

  // Calls `ended` for each process of ours that has ended since the last call. A process may have
  // to be left to the next call, because a start is under way: once that is over, another SIGCHLD
  // announces it.
  void reap(const std::function<void(std::size_t place, ProcessEnd end)>& ended);

  // Also kills those that are just being started.
  void kill_all();
  std::size_t running() const;
  bool runs(std::size_t place) const;

 private:
  // Not held during fork(2), or a real-time lane would have to wait for that. A child may have
  // ended before its pid is written down: until then reap() leaves it.
  mutable PriorityMutex mutex_;
  std::unordered_map<pid_t, std::size_t> place_of_;
  std::vector<std::size_t> starting_;  // places whose child, if any, has not been written down
  unsigned killings_ = 0;              // calls of kill_all()
  bool deferred_ = false;              // reap() has left a process: perhaps of a start under way
};

}  // namespace cpss
