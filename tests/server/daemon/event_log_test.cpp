#include "server/daemon/event_log.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "server/daemon/log.h"
#include "tests/server/live_pipeline.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::Client;
using test::LivePipeline;

class Thrower final : public OneMessageService {
 public:
  void answer(Message& message, LaneState*) override {
    const std::span<const std::byte> request = message.request();
    throw std::runtime_error(
        "about " + std::string(reinterpret_cast<const char*>(request.data()), request.size()));
  }
};

class EventLogTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { log::set_up(); }

  EventLogTest() { live_.pipeline().start(); }
  ~EventLogTest() override { live_.end_and_expect_at_rest(); }

  // Makes the service throw `times` times; returns when these messages are completed.
  void fail(unsigned times) {
    for (unsigned i = 0; i < times; ++i) client_.send(std::to_string(++failed_), live_.address());
    ASSERT_TRUE(live_.wait_for("completed", failed_));
  }
  // The text that `work` writes to standard error.
  template <class Work>
  static std::string written(Work work) {
    testing::internal::CaptureStderr();
    work();
    log::flush();
    return testing::internal::GetCapturedStderr();
  }
  std::string collected() {
    return written([this] { log_.collect(live_.pipeline().scoreboard(), now_); });
  }
  static auto lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

  // With batches of one each message that throws is an event: a batch is one event.
  static PipelineOptions one_at_a_time() {
    PipelineOptions options = test::small_pipeline();
    options.batch = 1;
    return options;
  }

  Thrower service_;
  LivePipeline live_{service_, one_at_a_time()};
  Client client_;
  EventLog log_;
  EventLog::Clock::time_point now_ = EventLog::Clock::now();  // the time that the log is told
  unsigned failed_ = 0;
};

TEST_F(EventLogTest, NothingReportedNothingWritten) {
  EXPECT_EQ(collected(), "");
}

TEST_F(EventLogTest, ALineNamesTheLaneAndWhatHappened) {
  fail(1);
  const std::string text = collected();
  EXPECT_NE(text.find("warning: svc-0: the service threw: about 1\n"), std::string::npos) << text;
  EXPECT_EQ(lines(text), 1);
}

TEST_F(EventLogTest, SeveralAtOnceAreOneLineWithTheirNumber) {
  fail(3);
  const std::string text = collected();
  EXPECT_NE(text.find("about 3 (and 2 more like it)\n"), std::string::npos) << text;
  EXPECT_EQ(lines(text), 1);
}

TEST_F(EventLogTest, AtMostOneLineASecondAndNothingIsForgotten) {
  fail(1);
  EXPECT_EQ(lines(collected()), 1);
  fail(2);
  EXPECT_EQ(collected(), "") << "within the same second";
  now_ += 1s;
  const std::string text = collected();
  EXPECT_NE(text.find("about 3 (and 1 more like it)\n"), std::string::npos) << text;
}

TEST_F(EventLogTest, FlushWritesWhatTheLimitHeldBackOnce) {
  fail(1);
  collected();
  fail(1);
  collected();
  EXPECT_EQ(lines(written([this] { log_.flush(); })), 1);
  EXPECT_EQ(written([this] { log_.flush(); }), "");
}

// A lane may report faster than main looks: the log tells the number of lost events, also at its
// end.
TEST_F(EventLogTest, LostEventsAreCountedAlsoByTheLastLines) {
  fail(200);
  const std::string first = collected();
  EXPECT_EQ(lines(first), 2) << first;
  EXPECT_NE(first.find("an event was not recorded"), std::string::npos) << first;
  fail(200);
  EXPECT_EQ(collected(), "");
  const std::string last = written([this] { log_.flush(); });
  EXPECT_EQ(lines(last), 2) << last;
  EXPECT_NE(last.find("an event was not recorded"), std::string::npos) << last;
}

}  // namespace
}  // namespace cpss
