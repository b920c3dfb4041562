#include "services/echo.h"

#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/services/exchange.h"

namespace cpss {
namespace {

TEST(Echo, SendsEveryPayloadBackFromTheRequestsOwnMemory) {
  EchoService service;
  std::deque<Exchange> exchanges;
  std::vector<Message> batch;
  for (std::size_t size = 0; size < 300; ++size)
    batch.push_back(exchanges.emplace_back(std::string(size, static_cast<char>(size))).message());
  service.process(batch, nullptr);
  for (std::size_t size = 0; size < batch.size(); ++size) {
    EXPECT_EQ(batch[size].verdict(), Verdict::reply);
    EXPECT_TRUE(batch[size].in_place());
    EXPECT_FALSE(batch[size].reply_too_long());
    EXPECT_EQ(batch[size].reply_length(), size);
    EXPECT_EQ(exchanges[size].request_memory(), std::string(size, static_cast<char>(size)));
  }
}

TEST(Echo, IsSilentWhenBusy) {
  Exchange exchange("anything");
  exchange.ask_while_busy(EchoService());
  EXPECT_EQ(exchange.message().verdict(), Verdict::no_reply);
}

TEST(Echo, SaysThatItReflects) {
  EXPECT_TRUE(EchoService().reflects());
  EXPECT_NE(make_echo({}), nullptr);
}

}  // namespace
}  // namespace cpss
