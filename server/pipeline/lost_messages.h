// Closes the ledger of a process that has ended. Its parent does it, and books as failed all that
// the process had received and did not end.
//
// A process may be killed between any two of its counts. Each message that it had received is in
// one of its outcomes, or lost. The parent becomes the writer of the dead process's blocks
// (stats/writer.h) and adds the counts that the process never wrote, so that all identities of the
// ledger hold again (stats/ledger.h). Only a batch that the process had taken from the kernel and
// not yet counted as received is in no ledger.
//
// One object per place for processes, which use the same blocks one after the other. Main thread.
#pragma once

#include <cstdint>
#include <vector>

#include "stats/writer.h"

namespace cpss {

class LostMessages {
 public:
  // `blocks`: the process's, one for each stage that it runs. If it receives, the first is
  // receive's.
  LostMessages(std::vector<StatsWriter> blocks, bool receives)
      : blocks_(std::move(blocks)), receives_(receives) {}

  // Counts messages that were given to a process that does not itself receive.
  void given(std::uint64_t messages) noexcept { given_ += messages; }

  // Whether every message that a process was given is in one of its outcomes, or booked by book().
  bool all_ended() const noexcept;

  // Messages that the processes of this place have ended, so far.
  std::uint64_t ended() const noexcept;
  // Messages that they were given, or have received.
  std::uint64_t received() const noexcept;

  // Called when no process uses the blocks. Books in `main` the messages that the last process has
  // lost, for `reason`; returns how many.
  std::uint64_t book(Reason reason, StatsWriter& main) noexcept;

 private:
  std::uint64_t total(Counter counter) const noexcept;
  void complete_counts() noexcept;

  std::vector<StatsWriter> blocks_;
  bool receives_;
  std::uint64_t given_ = 0;
  // Booked for earlier processes of this place.
  std::uint64_t lost_ = 0;
  std::uint64_t completed_ = 0;
  std::uint64_t given_back_ = 0;
};

}  // namespace cpss
