// cpssd-test: the server, linked from the same libraries, with services and sockets that misbehave
// as environment variables say:
//   TEST_SENDS        drop, repeat or delay: done to every TEST_SENDS_EVERY-th reply
//   TEST_SENDS_DELAY_MS
//   TEST_INPUT_PATIENCE_MS  for files read at the start
//   TEST_SEND_GATE    while this file exists, a lane that sends replies stands still
//   TEST_NO_ROOM      while this file exists, replies find no room in the socket's send buffer
//   TEST_PROC         the folder in place of /proc
// and those of test_services.h.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include <unistd.h>

#include "server/daemon/server.h"
#include "tests/end_to_end/gate.h"
#include "tests/end_to_end/test_services.h"
#include "tests/support/fake_socket.h"
#include "tests/support/forwarding_socket.h"

namespace cpss {
namespace {

class GatedSocket final : public ForwardingSocket {
 public:
  using ForwardingSocket::ForwardingSocket;
  SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept override {
    gate_.pass();
    if (!room_.open()) return {0, EAGAIN};
    return ForwardingSocket::send(datagrams);
  }
  void wait_writable(std::chrono::milliseconds longest) noexcept override {
    if (!room_.open()) std::this_thread::sleep_for(std::min(longest, kLookForRoom));
    ForwardingSocket::wait_writable(longest);
  }

 private:
  static constexpr std::chrono::milliseconds kLookForRoom{10};

  const Gate gate_{"TEST_SEND_GATE"};
  const Gate room_{"TEST_NO_ROOM"};
};

std::string variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

std::unique_ptr<DatagramSocket> misbehaving(UdpSocket& socket) {
  const std::string how = variable("TEST_SENDS", "");
  if (how.empty()) return std::make_unique<GatedSocket>(socket);
  TamperSocket::Rule rule;
  rule.how = how == "drop"     ? TamperSocket::How::drop
             : how == "repeat" ? TamperSocket::How::repeat
                               : TamperSocket::How::delay;
  rule.every = std::stoull(variable("TEST_SENDS_EVERY", "1"));
  rule.delay = std::chrono::milliseconds(std::stoul(variable("TEST_SENDS_DELAY_MS", "0")));
  return std::make_unique<TamperSocket>(socket, rule);
}

}  // namespace
}  // namespace cpss

int main(int argc, char** argv) {
  cpss::ServerParts parts{.services = cpss::test_services(), .wrap_socket = cpss::misbehaving};
  parts.proc = cpss::variable("TEST_PROC", "/proc");
  if (const char* patience = std::getenv("TEST_INPUT_PATIENCE_MS"))
    parts.input_patience = std::chrono::milliseconds(std::stoul(patience));
  return cpss::run_server(argc, argv, environ, parts);
}
