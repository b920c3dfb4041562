// A service that holds its lanes up until a test lets them go on.
//
// Any thread may call open() and inside().
#pragma once

#include <atomic>
#include <cstddef>
#include <future>

#include "services/service.h"

namespace cpss::test {

// Echoes once its gate is open; until then its lanes block, as no real service may.
class GatedEcho final : public Service {
 public:
  void process(std::span<Message> batch, LaneState*) override {
    inside_ += batch.size();
    opened_.wait();
    for (Message& message : batch) message.reply_in_place(message.request().size());
  }
  void open() {
    if (!is_open_.exchange(true)) gate_.set_value();
  }
  std::size_t inside() const { return inside_; }

 private:
  std::promise<void> gate_;
  std::shared_future<void> opened_{gate_.get_future()};
  std::atomic<bool> is_open_{false};
  std::atomic<std::size_t> inside_{0};
};

}  // namespace cpss::test
