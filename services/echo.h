// Service `echo`: sends every payload back as it came.
#pragma once

#include <memory>

#include "services/service.h"
#include "services/service_settings.h"

namespace cpss {

class EchoService final : public Service {
 public:
  void process(std::span<Message> batch, LaneState* state) noexcept override;
  bool reflects() const noexcept override { return true; }
};

std::unique_ptr<Service> make_echo(const ServiceSettings& settings);

}  // namespace cpss
