// Notices that lanes may no longer use any of the CPUs they were given: a cpuset that has shrunk
// under the running server (cpuset(7)). The kernel lets what runs go on with those that are left,
// and so do lanes that are started then (stages/lane/lane.h). This says so.
//
// Main thread, whose own affinity is that of the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/pipeline/assignment.h"
#include "server/pipeline/scoreboard.h"

namespace cpss {

class CpuWatch {
 public:
  explicit CpuWatch(const Assignment& assignment);

  // Several times a second; asks the kernel once a second. `now_ns`: base/clock.h. Returns
  // a line for the log when it has become so for more lanes, else nothing.
  std::string look(Scoreboard& scoreboard, std::uint64_t now_ns);
  // The same with what the kernel has said: the CPUs that the process may use.
  std::string look(Scoreboard& scoreboard, const std::vector<unsigned>& usable);

 private:
  struct Lane {
    std::vector<unsigned> cpus;  // given; empty: all
    bool gone = false;
  };
  std::vector<Lane> lanes_;  // of places for what runs for one message: as if none were given
  bool asks_ = false;        // some lane was given CPUs
  std::uint64_t next_ns_ = 0;
};

}  // namespace cpss
