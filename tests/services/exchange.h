// One message for a service under test: a request, windows of its own, and their contents
// afterwards.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "services/service.h"

namespace cpss {

class Exchange {
 public:
  static constexpr std::size_t kWindow = 1024;

  // The reply limit is that of the stages: the window for a trusted peer, else the request's size.
  explicit Exchange(std::string_view request, bool trusted = false)
      : Exchange(request, trusted, trusted ? kWindow : request.size()) {}
  Exchange(std::string_view request, bool trusted, std::size_t reply_limit)
      : request_(request.begin(), request.end()),
        window_(kWindow, '\xee'),  // a window holds what an earlier message left in it
        message_(std::as_writable_bytes(std::span(request_)),
                 std::as_writable_bytes(std::span(window_)).data(), reply_limit, peer_, trusted) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Message& message() { return message_; }
  void ask(Service& service) {
    const std::unique_ptr<LaneState> state = service.make_lane_state();
    service.process(std::span(&message_, 1), state.get());
  }

  void ask_while_busy(const Service& service) { service.busy_reply(message_); }

  std::string reply() const {
    const std::vector<char>& from = message_.in_place() ? request_ : window_;
    return {from.data(), message_.reply_length()};
  }
  std::string request_memory() const { return {request_.begin(), request_.end()}; }

 private:
  std::vector<char> request_;
  std::vector<char> window_;
  SocketAddress peer_;
  Message message_;
};

}  // namespace cpss
