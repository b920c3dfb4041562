#include "tools/udpblast/work_workload.h"

#include <array>

#include <fmt/format.h>

namespace cpss::udpblast {

WorkWorkload::WorkWorkload(std::size_t size, const std::optional<WorkProfile>& profile)
    : EchoWorkload(size), profile_(profile) {
  if (size < WorkProfile::kMinPayload)
    throw WorkloadError(fmt::format("--size {}: must be at least {} for service work", size,
                                    WorkProfile::kMinPayload));
}

std::string WorkWorkload::title() const {
  return profile_ ? "work " + profile_->text() : "work";
}

std::vector<std::string> WorkWorkload::classes() const {
  if (!profile_) return {};
  if (profile_->modes() == 1) return {"all"};
  return {"short", "long"};
}

std::size_t WorkWorkload::class_of(std::uint64_t transaction) const noexcept {
  if (!profile_ || profile_->modes() == 1) return 0;
  std::array<std::byte, WorkProfile::kMinPayload> payload;
  build(0, transaction, payload);
  return profile_->is_long(WorkProfile::key_of(payload)) ? 1 : 0;
}

}  // namespace cpss::udpblast
