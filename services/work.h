// Service `work`, for studies: takes for each message a time that follows from its payload
// (services/work_profile.h), then sends the payload back. docs/work.md says what it is for.
//
// process() takes the messages of a batch one after the other, and defers those that the profile
// says; process_deferred() takes these. A message that sleeps without being deferred makes its
// service lane stand still: that breaks the contract of process(), on purpose, to show what it
// does.
//
// Its only state is the constant profile; allocates nothing and never throws once it is made.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "services/service.h"
#include "services/service_settings.h"
#include "services/work_profile.h"

namespace cpss {

class WorkService final : public Service {
 public:
  explicit WorkService(const WorkProfile& profile) noexcept : profile_(profile) {}

  void process(std::span<Message> batch, LaneState* state) noexcept override;
  void process_deferred(Message& message, LaneState* state) noexcept override;
  void busy_reply(Message& message) const noexcept override;
  bool reflects() const noexcept override { return true; }

 private:
  // The message's time; nullopt if it is no message of ours, and then its verdict is `invalid`.
  std::optional<std::uint64_t> time_ns_of(Message& message) const noexcept;
  void answer_after(Message& message, std::uint64_t time_ns) const noexcept;

  WorkProfile profile_;
};

// With the profile of CPSS_WORK. Throws WorkProfileError.
std::unique_ptr<Service> make_work(const ServiceSettings& settings);

}  // namespace cpss
