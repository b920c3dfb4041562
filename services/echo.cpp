#include "services/echo.h"

namespace cpss {

void EchoService::process(std::span<Message> batch, LaneState*) noexcept {
  for (Message& message : batch) message.reply_in_place(message.request().size());
}

std::unique_ptr<Service> make_echo(const ServiceSettings&) {
  return std::make_unique<EchoService>();
}

}  // namespace cpss
