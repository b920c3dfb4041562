// A service that echoes, and whose busy reply follows from the first letter of the request.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>

#include "services/service.h"
#include "tests/stages/rig.h"

namespace cpss::test {

// The busy reply to a shed request: its first letter in capitals, as often as the request is long.
inline std::string busy_text(std::string_view request) {
  return std::string(request.size(), static_cast<char>(request[0] - 'a' + 'A'));
}

class BusyService final : public Service {
 public:
  void process(std::span<Message> batch, LaneState*) override {
    for (Message& message : batch) echo(message);
  }

  // The request's first letter:
  // b  in place               w  in the reply window    l  as long as allowed, in the window
  // s  no verdict             n  no_reply               d  defers, which it must not
  // x  longer than allowed    i  invalid                r  refused
  // t  throws, after it has replied
  void busy_reply(Message& message) const override {
    const std::string text = busy_text(request_of(message));
    switch (request_of(message)[0]) {
      case 'b':
        std::transform(text.begin(), text.end(), message.request_in_place().begin(),
                       [](char letter) { return static_cast<std::byte>(letter); });
        return message.reply_in_place(text.size());
      case 'w':
        return reply_with(message, text);
      case 'l':
        std::ranges::fill(message.reply_window(), std::byte{'L'});
        return message.reply(message.reply_window().size());
      case 'n':
        return message.no_reply();
      case 'd':
        return message.defer();
      case 'x':
        return message.reply(message.reply_window().size() + 1);
      case 'i':
        return message.invalid(InvalidReason::bad_magic);
      case 'r':
        return message.refuse(RefuseReason::by_service);
      case 't':
        message.reply(1);
        throw std::runtime_error("asked to");
      default:
        return;
    }
  }
};

}  // namespace cpss::test
