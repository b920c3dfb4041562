// Several clients of one server, whose messages all differ.
#pragma once

#include <cstddef>
#include <list>
#include <set>
#include <string>

#include "tests/end_to_end/udp_client.h"

namespace cpss {

class Peers {
 public:
  Peers(const SocketAddress& server, std::size_t clients);

  // Sends `each` more messages of each client; the test fails if the kernel does not take them.
  void send(std::size_t each);

  struct Replies {
    std::size_t echoes = 0;
    std::size_t busy = 0;  // marked as the tests' services do (test_services.h)
  };
  // Waits for a reply to each message sent, as far as they come; the test fails over a reply to
  // another message, to another client, or sent twice.
  Replies receive();

 private:
  struct Peer {
    Peer(const SocketAddress& server, const SocketAddress& from) : client(server, from) {}
    UdpClient client;
    std::set<std::string> unanswered;
  };

  std::list<Peer> peers_;
  std::size_t sent_ = 0;
};

}  // namespace cpss
