// The ledger of a process that has ended, closed by its parent: what it had received and did not
// end is booked as failed.
//
// A process that is killed may be killed between any two of its counters. Messages it had received
// are in one of its outcomes, or lost; the parent, which becomes the writer of the dead one's
// blocks (stats/writer.h), makes good for what was not counted any more, so that all identities of
// the ledger hold again (stats/ledger.h). Only a batch that the process had taken from the kernel
// and not yet counted as received is in no ledger.
//
// One object per place for processes, which go on with the same blocks one after the other. Main
// thread.
#pragma once

#include <cstdint>
#include <vector>

#include "stats/writer.h"

namespace cpss {

class LostMessages {
 public:
  // `blocks`: the process's, one for each stage that it runs; the first is receive's, if it
  // receives.
  LostMessages(std::vector<StatsWriter> blocks, bool receives)
      : blocks_(std::move(blocks)), receives_(receives) {}

  // Counts messages that were given to a process that does not receive itself.
  void given(std::uint64_t messages) noexcept { given_ += messages; }

  // Whether every message that a process was given is in one of its outcomes, or booked here.
  bool all_ended() const noexcept;

  // Messages that the processes of this place have ended themselves, so far.
  std::uint64_t ended() const noexcept;
  // Messages that they were given, or have received.
  std::uint64_t received() const noexcept;

  // No process uses the blocks now. Books in `main` what the last one has lost, for `reason`;
  // returns how much.
  std::uint64_t book(Reason reason, StatsWriter& main) noexcept;

 private:
  std::uint64_t total(Counter counter) const noexcept;
  void complete_counts() noexcept;

  std::vector<StatsWriter> blocks_;
  bool receives_;
  std::uint64_t given_ = 0;
  // What was booked for earlier processes of this place.
  std::uint64_t lost_ = 0;
  std::uint64_t completed_ = 0;
  std::uint64_t given_back_ = 0;
};

}  // namespace cpss
