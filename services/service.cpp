#include "services/service.h"

#include <exception>

namespace cpss {

void OneMessageService::process(std::span<Message> batch, LaneState* state) {
  std::exception_ptr first;
  for (Message& message : batch) {
    try {
      answer(message, state);
    } catch (...) {
      message.clear_verdict();  // it may have set one before it threw
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace cpss
