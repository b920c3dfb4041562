#include "tools/udpblast/send_loop.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/tools/udpblast/responder.h"
#include "tools/udpblast/echo_workload.h"

namespace cpss::udpblast {
namespace {

// Larger than any datagram: the system refuses each of them, and always will.
TEST(SendLoop, GivesUpWhenTheSystemRefusesEverything) {
  constexpr std::size_t kTooLarge = 70'000;
  Responder server(echo_replies());
  LoopSettings settings;
  settings.server = {*IpAddress::parse("127.0.0.1"), server.port()};
  settings.size = kTooLarge;
  const EchoWorkload workload(kTooLarge);
  MessageIdPool numbers(10);
  const StopFlag stop{Stop::no};
  SendLoop loop(settings, workload, numbers, stop);
  loop.run(monotonic_ns());
  EXPECT_TRUE(loop.gave_up());
  EXPECT_EQ(loop.tally()[Count::sent], 0u);
  EXPECT_GT(loop.tally()[Count::send_errors], 0u);
}

}  // namespace
}  // namespace cpss::udpblast
