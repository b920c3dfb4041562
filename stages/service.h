// Stage service: calls the service for a batch of messages and does what its verdicts say.
//
// One object per service lane.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "queue/slot_pool.h"
#include "services/service.h"
#include "stages/events.h"
#include "stages/intake.h"
#include "stages/outlet.h"
#include "stages/retirement.h"
#include "stages/slot_store.h"
#include "stages/step.h"
#include "stats/writer.h"

namespace cpss {

class ServiceStep final : public Step {
 public:
  struct Wiring {
    Service& service;
    SlotStore& store;
    SlotPool& pool;
    SlotQueue& requests;
    SlotQueue& responses;
    EventRing& events;
    std::uint32_t batch;
    std::uint32_t lanes;       // service lanes
    std::uint32_t pool_lanes;  // all lanes that use the pool
  };

  ServiceStep(Wiring wiring, StatsWriter stats);

  std::size_t run() noexcept override;
  void before_wait() noexcept override;

  Intake& intake() noexcept { return intake_; }
  StatsWriter& stats() noexcept { return stats_; }

 private:
  void present(std::span<const std::uint32_t> slots) noexcept;
  // Runs one call into the service; what it throws is reported. True if it threw.
  template <class Call>
  bool threw(Call call) noexcept;
  // Does what the message's verdict says; `it_threw`: the call that should have given it one.
  void settle(MessageRef ref, const Message& message, bool it_threw) noexcept;
  std::uint64_t settle_deferred() noexcept;
  std::uint64_t finish() noexcept;
  void hand_on(MessageRef ref, const Message& message) noexcept;

  Wiring w_;
  StatsWriter stats_;
  SlotPool::SlotCache cache_;
  Retirement retirement_;
  Intake intake_;
  Outlet outlet_;
  std::unique_ptr<LaneState> lane_state_;
  std::vector<MessageRef> refs_;
  std::vector<Message> messages_;
};

}  // namespace cpss
