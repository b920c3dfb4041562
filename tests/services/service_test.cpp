#include "services/service.h"

#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/services/exchange.h"

namespace cpss {
namespace {

// Does what the request says.
class Obedient final : public OneMessageService {
 public:
  void answer(Message& message, LaneState* state) override {
    seen_state = state;
    const auto bytes = message.request();
    const std::string order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (order == "throw") throw std::runtime_error("told to, first");
    if (order == "throw another") throw std::logic_error("told to");
    if (order == "reply and throw") {
      message.reply(1);
      throw std::runtime_error("told to, late");
    }
    if (order == "throw an int") throw 7;
    if (order == "say nothing") return;
    message.reply_in_place(bytes.size());
  }
  LaneState* seen_state = nullptr;
};

std::vector<Verdict> verdicts(const std::vector<Message>& batch) {
  std::vector<Verdict> result;
  for (const Message& message : batch) result.push_back(message.verdict());
  return result;
}

class OneMessage : public testing::Test {
 protected:
  std::vector<Message> batch(std::vector<std::string> orders) {
    std::vector<Message> messages;
    for (const std::string& order : orders)
      messages.push_back(exchanges_.emplace_back(order).message());
    return messages;
  }
  Obedient service_;
  std::deque<Exchange> exchanges_;
};

TEST_F(OneMessage, IsAskedForEachOfTheBatch) {
  std::vector<Message> messages = batch({"a", "bb", "say nothing", "ccc"});
  LaneState state;
  service_.process(messages, &state);
  EXPECT_EQ(verdicts(messages),
            (std::vector{Verdict::reply, Verdict::reply, Verdict::none, Verdict::reply}));
  EXPECT_EQ(messages[3].reply_length(), 3U);
  EXPECT_EQ(service_.seen_state, &state);
}

TEST_F(OneMessage, OneThatThrowsFailsAlone) {
  std::vector<Message> messages = batch({"a", "throw", "b", "throw another", "c"});
  try {
    service_.process(messages, nullptr);
    ADD_FAILURE() << "the stage would not learn that the service threw";
  } catch (const std::exception& error) {
    EXPECT_STREQ(error.what(), "told to, first");
  }
  EXPECT_EQ(verdicts(messages), (std::vector{Verdict::reply, Verdict::none, Verdict::reply,
                                             Verdict::none, Verdict::reply}));
}

TEST_F(OneMessage, AVerdictFromBeforeTheThrowDoesNotCount) {
  std::vector<Message> messages = batch({"reply and throw", "a"});
  EXPECT_THROW(service_.process(messages, nullptr), std::runtime_error);
  EXPECT_EQ(verdicts(messages), (std::vector{Verdict::none, Verdict::reply}));
}

TEST_F(OneMessage, MayThrowAnything) {
  std::vector<Message> messages = batch({"throw an int", "a"});
  EXPECT_THROW(service_.process(messages, nullptr), int);
  EXPECT_EQ(verdicts(messages), (std::vector{Verdict::none, Verdict::reply}));
}

TEST_F(OneMessage, ADeferredMessageIsAskedLikeAnyOther) {
  std::vector<Message> messages = batch({"a"});
  service_.process_deferred(messages[0], nullptr);
  EXPECT_EQ(messages[0].verdict(), Verdict::reply);
}

TEST(Message, TheLastVerdictCountsAndLengthsAreChecked) {
  Exchange exchange("12345", false);
  Message& message = exchange.message();
  EXPECT_EQ(message.verdict(), Verdict::none);
  message.reply(6);
  EXPECT_TRUE(message.reply_too_long());
  message.reply(5);
  EXPECT_FALSE(message.reply_too_long());
  message.reply_in_place(6);
  EXPECT_TRUE(message.reply_too_long());
  message.refuse(RefuseReason::by_service);
  EXPECT_EQ(message.verdict(), Verdict::refuse);
  EXPECT_EQ(message.refuse_reason(), RefuseReason::by_service);
  message.invalid(InvalidReason::wrong_direction);
  EXPECT_EQ(message.invalid_reason(), InvalidReason::wrong_direction);
  message.defer();
  EXPECT_EQ(message.verdict(), Verdict::defer);
  message.clear_verdict();
  EXPECT_EQ(message.verdict(), Verdict::none);
}

}  // namespace
}  // namespace cpss
