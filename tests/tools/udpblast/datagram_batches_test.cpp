// Batches of datagrams to and from the kernel, one by one and merged.
#include "tools/udpblast/datagram_batches.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "net/udp_socket.h"
#include "tests/net/inbox.h"
#include "tools/udpblast/client_socket.h"

namespace cpss::udpblast {
namespace {

using testing::ElementsAre;

class ReplyBatchTest : public testing::Test {
 protected:
  // Sends these texts to the client, and returns what it gets.
  std::vector<std::string> through(ReplyBatch& batch, const std::vector<std::string>& texts) {
    std::vector<OutgoingDatagram> datagrams;
    const SocketAddress to = client_.local_address();
    for (const std::string& text : texts)
      datagrams.push_back(
          {reinterpret_cast<const std::byte*>(text.data()), text.size(), &to, nullptr});
    EXPECT_EQ(server_.send(datagrams).accepted, datagrams.size());
    std::vector<std::string> result;
    for (int calls = 0; result.size() < texts.size() && calls < 20; ++calls) {
      pollfd readable{client_.descriptor(), POLLIN, 0};
      ::poll(&readable, 1, 500);
      for (const auto bytes : batch.datagrams(client_.receive(batch).done))
        result.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return result;
  }

  UdpSocket server_{address_of("127.0.0.1"), {.gro = true, .gso = true}};
  ClientSocket client_{server_.local_address()};
};

TEST_F(ReplyBatchTest, OneByOne) {
  ReplyBatch batch(16, false);
  EXPECT_THAT(through(batch, {"a", "", "ccc"}), ElementsAre("a", "", "ccc"));
}

TEST_F(ReplyBatchTest, Merged) {
  client_.use_segments(4);
  ReplyBatch batch(16, true);
  EXPECT_THAT(through(batch, {"aaaa", "bbbb", "cc", "dddd", "e", "", "ffff"}),
              ElementsAre("aaaa", "bbbb", "cc", "dddd", "e", "", "ffff"));
  EXPECT_THAT(through(batch, {"again"}), ElementsAre("again"));
}

TEST_F(ReplyBatchTest, PacketsOfSeveralMessagesAreTakenApartOnTheWay) {
  client_.use_segments(3);
  DatagramBatch requests(8, 3, 4);
  for (std::size_t i = 0; i < 7; ++i)
    std::ranges::fill(requests.window(i), static_cast<std::byte>('a' + i));
  EXPECT_EQ(client_.send(requests, 0, 7).done, 7u);
  Inbox inbox(8, 64);
  EXPECT_EQ(inbox.wait_and_receive(server_).filled, 2u) << "packets";
  EXPECT_EQ(inbox.text(0), "aaabbbcccddd");
  EXPECT_EQ(inbox.arrival(0).segment_size, 3u);
  EXPECT_EQ(inbox.text(1), "eeefffggg");
}

}  // namespace
}  // namespace cpss::udpblast
