#include "tests/end_to_end/test_services.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include "services/native_wire.h"
#include "tests/end_to_end/gate.h"

namespace cpss {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : std::stoull(value);
}

void echo(Message& message) {
  message.reply_in_place(message.request().size());
}

// The busy reply of these services: the request with another first byte.
void say_busy(Message& message) {
  if (message.request().empty()) return message.no_reply();
  message.request_in_place()[0] = std::byte{kBusyMark};
  message.reply_in_place(message.request().size());
}

bool is_marked(const Message& message) {
  return !message.request().empty() && message.request()[0] == std::byte{'!'};
}

class Slow : public OneMessageService {
 public:
  void answer(Message& message, LaneState*) override {
    std::this_thread::sleep_for(sleep_);
    echo(message);
  }
  void busy_reply(Message& message) const override { say_busy(message); }

 private:
  const std::chrono::microseconds sleep_{number_from("TEST_SLEEP_US", 1000)};
};

class Gated : public Service {
 public:
  void process(std::span<Message> batch, LaneState*) override {
    gate_.pass();
    for (Message& message : batch) echo(message);
  }
  void busy_reply(Message& message) const override { say_busy(message); }

 private:
  const Gate gate_{"TEST_GATE"};
};

class GatedDeferral : public OneMessageService {
 public:
  void answer(Message& message, LaneState*) override {
    if (is_marked(message)) return message.defer();
    echo(message);
  }
  void process_deferred(Message& message, LaneState*) override {
    gate_.pass();
    echo(message);
  }

 private:
  const Gate gate_{"TEST_GATE"};
};

class WrongLookup : public Service {
 public:
  explicit WrongLookup(std::unique_ptr<Service> lookup) : lookup_(std::move(lookup)) {}
  std::unique_ptr<LaneState> make_lane_state() const override { return lookup_->make_lane_state(); }
  std::size_t min_window() const override { return lookup_->min_window(); }
  void process(std::span<Message> batch, LaneState* state) override {
    lookup_->process(batch, state);
    for (Message& message : batch)
      if (++answered_ % every_ == 0 && message.verdict() == Verdict::reply)
        (message.in_place() ? message.request_in_place()
                            : message.reply_window())[native::kHeaderBytes] ^= std::byte{1};
  }

 private:
  std::unique_ptr<Service> lookup_;
  const std::uint64_t every_ = number_from("TEST_EVERY", 100'000);
  std::atomic<std::uint64_t> answered_{0};
};

// Makes each lane wait at its start while the gate is closed, and says so.
class SlowToStart : public OneMessageService {
 public:
  std::unique_ptr<LaneState> make_lane_state() const override {
    std::fputs("slow-to-start: at the gate\n", stderr);
    gate_.pass();
    return nullptr;
  }
  void answer(Message& message, LaneState*) override { echo(message); }

 private:
  const Gate gate_{"TEST_GATE"};
};

class Silent : public OneMessageService {
  void answer(Message& message, LaneState*) override { message.no_reply(); }
};

class Mute : public OneMessageService {
  void answer(Message&, LaneState*) override {}
};

class TooLong : public OneMessageService {
  void answer(Message& message, LaneState*) override {
    message.reply(message.reply_window().size() + 1);
  }
};

class Thrower : public OneMessageService {
  void answer(Message& message, LaneState*) override {
    if (is_marked(message)) throw std::runtime_error("asked to throw");
    echo(message);
  }
};

class Crasher : public OneMessageService {
  void answer(Message& message, LaneState*) override {
    if (is_marked(message)) std::abort();
    echo(message);
  }
};

class Deferring : public OneMessageService {
  void answer(Message& message, LaneState*) override { message.defer(); }
  void process_deferred(Message& message, LaneState*) override {
    if (is_marked(message)) {
      message.defer();
    } else {
      echo(message);
    }
  }
};

template <class Made>
ServiceEntry entry(const char* name) {
  return {name, "for tests", [](const ServiceSettings&) { return std::make_unique<Made>(); }};
}

}  // namespace

ServiceRegistry test_services() {
  ServiceRegistry services = built_in_services();
  services.add(entry<Slow>("slow"));
  services.add(entry<SlowToStart>("slow-to-start"));
  services.add(entry<Gated>("gated"));
  services.add(entry<GatedDeferral>("gated-deferral"));
  services.add(entry<Silent>("silent"));
  services.add(entry<Mute>("mute"));
  services.add(entry<TooLong>("too-long"));
  services.add(entry<Thrower>("thrower"));
  services.add(entry<Crasher>("crasher"));
  services.add(entry<Deferring>("deferring"));
  services.add({"wrong-lookup", "for tests", [](const ServiceSettings& settings) {
                  return std::make_unique<WrongLookup>(
                      built_in_services().find("lookup")->make(settings));
                }});
  return services;
}

}  // namespace cpss
