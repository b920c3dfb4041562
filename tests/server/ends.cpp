#include "tests/server/ends.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "services/echo.h"

namespace cpss::test {

void expect_end_answers_all(LivePipeline& live, GatedEcho& service, Client& client,
                            std::size_t messages) {
  int asked = 0;  // whether to give up
  EXPECT_TRUE(live.pipeline().end([&] {
    if (++asked == 3) service.open();
    return false;
  }));
  EXPECT_GE(asked, 3);
  EXPECT_EQ(client.receive(messages).size(), messages);
  live.expect_at_rest();
  EXPECT_EQ(live.reason("answered"), messages);
}

std::uint64_t expect_booked_by_force(LivePipeline& live, GatedEcho& service, Client& client) {
  const std::uint64_t seized = live.pipeline().seize_all();
  EXPECT_EQ(live.pipeline().seize_all(), 0u) << "nothing is booked twice";
  EXPECT_EQ(live.ledger().received, seized);
  EXPECT_EQ(live.reason("failed.forced_end"), seized);
  EXPECT_EQ(live.ledger().residual, 0);
  EXPECT_EQ(live.ledger().in_flight, 0);

  service.open();
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.reason("failed.forced_end"), seized);
  EXPECT_EQ(live.reason("failed.stale_slot"), 0u);
  EXPECT_EQ(live.reason("answered"), 0u);
  EXPECT_TRUE(client.receive_now().empty());
  return seized;
}

void expect_race_books_each_once(const PipelineOptions& options, unsigned messages, int rounds,
                                 std::size_t sockets) {
  for (int round = 0; round < rounds; ++round) {
    EchoService echo;
    LivePipeline live(echo, options, sockets);
    live.pipeline().start();
    Client client;
    const std::vector<SocketAddress> to = live.addresses();
    for (unsigned i = 0; i < messages; ++i) client.send(std::to_string(i), to[i % to.size()]);
    ASSERT_TRUE(live.wait_for("received", 1));
    std::uint64_t seized = 0;
    for (int i = 0; i < 10; ++i) seized += live.pipeline().seize_all();
    live.end_and_expect_at_rest();
    EXPECT_EQ(live.ledger().received, messages);
    EXPECT_EQ(live.reason("failed.forced_end"), seized);
    EXPECT_EQ(live.reason("answered") + seized, messages);
  }
}

}  // namespace cpss::test
