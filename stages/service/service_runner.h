// What a stage that runs the service does with the service: makes its view of a message, survives
// what it throws, and does what its verdict says. Used by the stages service, worker and on_demand.
//
// One object per lane. Replies are collected and handed on, and slots given back, by finish().
#pragma once

#include <cstdint>
#include <optional>

#include "services/service.h"
#include "stages/lane/lane_context.h"
#include "stages/message/completion.h"
#include "stages/message/service_call.h"
#include "stages/message/slot_store.h"
#include "stages/message/stage_output.h"
#include "stats/writer.h"

namespace cpss {

class ServiceRunner {
 public:
  struct Wiring {
    SlotStore& store;
    SlotQueue& responses;
    std::uint32_t batch;  // most messages between two finish()
  };

  // `inline_dispatch`: the lane may send the replies itself.
  ServiceRunner(const Wiring& wiring, LaneContext& lane, StatsWriter& stats,
                std::optional<InlineDispatch> inline_dispatch = {});

  // The service's view of a message, valid until its verdict is applied.
  Message present(std::uint32_t slot) noexcept;

  // Runs one call into the service; what it throws is reported. True if it threw.
  template <class Call>
  bool threw(Call call) noexcept {
    return call_threw(lane_.events, call);
  }

  // Does what the verdict says. A message deferred by now was deferred for the second time.
  // `it_threw`: the call that should have given the verdict.
  void apply_verdict(MessageRef ref, const Message& message, bool it_threw) noexcept;

  // Ends the message as shed for `reason`, after has_busy_reply(): sends the reply if there is
  // one, whose fate does not matter. What is invalid or refused ends as that.
  void shed(MessageRef ref, const Message& message, Reason reason) noexcept;

  // Whether the message may be handed on; if not, it is dealt with.
  bool still_held(MessageRef ref) noexcept { return completion_.still_held(ref); }

  // Hands on what has a reply and gives back what has ended; returns when that was.
  std::uint64_t finish() noexcept;

  // Most messages at a time, so that the lane can send the replies itself.
  std::size_t max() const noexcept { return output_.max(); }

  // The lane is about to wait: gives up the free slots it keeps.
  void before_wait() noexcept;

 private:
  void hand_on(MessageRef ref, const Message& message, bool shed) noexcept;

  Wiring w_;
  LaneContext& lane_;
  StatsWriter& stats_;
  Completion completion_;
  StageOutput output_;
};

}  // namespace cpss
