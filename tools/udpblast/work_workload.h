// Messages for the service `work`: those of `echo`; the time of each follows from its payload
// (services/work_profile.h). With the server's CPSS_WORK, udpblast can tell which of them are the
// long ones.
//
// Threads: tools/udpblast/workload.h.
#pragma once

#include <optional>

#include "services/work_profile.h"
#include "tools/udpblast/echo_workload.h"

namespace cpss::udpblast {

class WorkWorkload final : public EchoWorkload {
 public:
  // Without a profile there are no classes. Throws WorkloadError.
  WorkWorkload(std::size_t size, const std::optional<WorkProfile>& profile);

  std::string title() const override;
  std::vector<std::string> classes() const override;
  std::size_t class_of(std::uint64_t transaction) const noexcept override;

 private:
  std::optional<WorkProfile> profile_;
};

}  // namespace cpss::udpblast
