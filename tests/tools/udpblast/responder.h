// A small server for the tests of udpblast, on loopback and a free port: its maker makes the reply
// to every request, and its plan says which replies to get wrong.
//
// A thread of its own receives and answers in batches; it owns the maker and the plan. The plan
// names requests by their order of arrival, from 0. The destructor ends it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/file_descriptor.h"
#include "net/address.h"

namespace cpss::udpblast {

// Turns the request at the beginning of the window into its reply, in place; returns its length.
using ReplyMaker = std::function<std::size_t(std::span<std::byte> window, std::size_t length)>;

// Right answers of the protocols.
ReplyMaker echo_replies();
ReplyMaker ping_replies();
// `rows`: body by number; a number that is not there is "not found".
ReplyMaker lookup_replies(std::map<std::string, std::string, std::less<>> rows);

// Mistakes with a reply that was made.
enum class Mischief {
  drop,
  repeat,
  delay,             // sent delay_ns later, or at the end of the batch that comes after that
  change_body,       // the byte behind the 16-byte header
  change_last,       // the last byte
  change_code,       // native: "internal error"
  busy,              // native
  cut_last,          // one byte shorter
  cut_to_header,     // 16 bytes
  cut_to_4,          // 4 bytes
  longer,            // two bytes more
  unknown_id,        // native: another transaction id
  reply_as_request,  // native: kind 1
};

struct Plan {
  std::map<std::uint64_t, Mischief> mischief = {};
  std::uint64_t delay_ns = 0;
  std::uint64_t answer_at_most = ~std::uint64_t{0};  // later requests get no answer
  std::optional<SocketAddress> reply_to = {};        // instead of to the client
};

class Responder {
 public:
  // Throws std::system_error, for example without IPv6.
  explicit Responder(ReplyMaker maker, Plan plan = {}, const char* ip = "127.0.0.1");
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  std::uint64_t received() const noexcept { return received_.load(); }

 private:
  struct Late {
    std::uint64_t due_ns;
    SocketAddress peer;
    std::vector<std::byte> reply;
  };

  void serve();
  void send_late(std::uint64_t now_ns);

  ReplyMaker maker_;
  Plan plan_;
  FileDescriptor socket_;
  FileDescriptor stop_;
  std::uint16_t port_ = 0;
  std::vector<Late> late_;
  std::atomic<std::uint64_t> received_{0};
  std::thread thread_;
};

}  // namespace cpss::udpblast
