#include "stats/ledger.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stats/deferring_server.h"
#include "tests/stats/sample_server.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> broken(const std::vector<Identity>& identities) {
  std::vector<std::string> result;
  for (const Identity& identity : identities)
    if (!identity.holds()) result.push_back(identity.text);
  return result;
}

class LedgerTest : public testing::Test {
 protected:
  Ledger ledger() const { return ledger_of(server_.region.snapshot()); }

  TemporaryFolder folder_;
  test::SampleServer server_{folder_.file("stats")};
};

constexpr const char* kReceived =
    "received = answered + no_answer + invalid + refused + shed + failed + in_flight";
constexpr const char* kMemory = "filled = given_back";
constexpr const char* kCompleted = "completed by all stages = all outcomes";

TEST_F(LedgerTest, BalancesAtRest) {
  server_.answered(100);
  server_.invalid(Reason::invalid_bad_magic, 3);
  server_.invalid(Reason::refused_not_allowed, 2);
  const Ledger ledger = this->ledger();
  EXPECT_EQ(ledger.received, 105u);
  EXPECT_THAT(ledger.outcomes, ElementsAre(100, 0, 3, 2, 0, 0));
  EXPECT_EQ(ledger.in_flight, 0);
  EXPECT_EQ(ledger.residual, 0);
  EXPECT_EQ(ledger.sent, 100u);
  EXPECT_THAT(broken(ledger.at_rest), IsEmpty());
  EXPECT_THAT(broken(ledger.live), IsEmpty());
  EXPECT_EQ(ledger.at_rest.size(), 4u + 3 + 2 + 2);
}

TEST_F(LedgerTest, AnEmptyServerBalances) {
  EXPECT_THAT(broken(ledger().at_rest), IsEmpty());
}

TEST_F(LedgerTest, WhatIsInsideIsInFlightAndCountedOnItsOwn) {
  server_.answered(10);
  server_.take_in(4);
  EXPECT_EQ(ledger().in_flight, 4);
  EXPECT_EQ(ledger().residual, 0);
  EXPECT_THAT(broken(ledger().live), IsEmpty());
}

TEST_F(LedgerTest, MessagesThatStandInsideBreakNothingButEmptiness) {
  server_.answered(10);
  server_.take_in(4);
  server_.serve(3);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre(kMemory, "forwarded receive = entered service",
                                                    "forwarded service = entered response"));
  EXPECT_THAT(broken(ledger().standing), IsEmpty());
  EXPECT_EQ(ledger().standing.size(), ledger().at_rest.size() - 1);
  server_.service.add(Counter::forwarded, 2);
  EXPECT_THAT(broken(ledger().standing), ElementsAre("service: entered >= forwarded + completed"));
}

// Each test makes one wrong count, and names all the identities that this breaks, and no other.
TEST_F(LedgerTest, ReceivedTooOften) {
  server_.receive.add(Counter::received);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre(kReceived));
  EXPECT_EQ(ledger().residual, 1);
}
TEST_F(LedgerTest, AnOutcomeBookedTwice) {
  server_.answered(1);
  server_.main.add(Counter::sent);
  server_.response.book(Reason::answered);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre(kReceived, kCompleted));
  EXPECT_EQ(ledger().residual, -1);
  EXPECT_THAT(broken(ledger().live), ElementsAre("received after - outcomes >= 0"));
}
TEST_F(LedgerTest, ASlotNotGivenBack) {
  server_.receive.add(Counter::filled);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre(kReceived, kMemory));
  EXPECT_EQ(ledger().in_flight, 1);
}
TEST_F(LedgerTest, AnAnswerThatWasNotSent) {
  server_.take_in(1);
  server_.serve(1);
  server_.response.add(Counter::entered);
  server_.response.record(HistogramId::wait_ns, 1);
  server_.response.book(Reason::answered);
  server_.response.add(Counter::completed);
  server_.response.add(Counter::given_back);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre("sent >= answered"));
}
TEST_F(LedgerTest, MoreSentThanAnsweredIsAllowed) {
  server_.answered(1);
  server_.response.add(Counter::sent);
  EXPECT_THAT(broken(ledger().at_rest), IsEmpty());
}
TEST_F(LedgerTest, CompletedWithoutAnOutcome) {
  server_.main.add(Counter::sent);
  server_.response.add(Counter::completed);
  EXPECT_THAT(broken(ledger().at_rest),
              ElementsAre(kCompleted, "response: entered = forwarded + completed"));
}
TEST_F(LedgerTest, LostInsideAStage) {
  server_.receive.add(Counter::entered);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre("receive: entered = forwarded + completed"));
  server_.service.add(Counter::forwarded);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre("receive: entered = forwarded + completed",
                                                    "service: entered = forwarded + completed",
                                                    "forwarded service = entered response"));
}
TEST_F(LedgerTest, LostBetweenReceiveAndService) {
  server_.receive.add(Counter::entered);
  server_.receive.add(Counter::forwarded);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre("forwarded receive = entered service"));
}
TEST_F(LedgerTest, AWaitNotRecorded) {
  server_.receive.add(Counter::entered);
  server_.receive.add(Counter::forwarded);
  server_.service.add(Counter::entered);
  server_.service.add(Counter::completed);
  server_.service.book(Reason::no_answer);
  server_.receive.add(Counter::received);
  server_.receive.add(Counter::filled);
  server_.service.add(Counter::given_back);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre("service: waits recorded = entered"));
}

TEST_F(LedgerTest, MoreInsideThanFitsBreaksTheLiveBound) {
  server_.take_in(8192 + 64);
  EXPECT_THAT(broken(ledger().live), IsEmpty());
  server_.take_in(1);
  EXPECT_THAT(broken(ledger().live),
              ElementsAre("received before - outcomes <= most that fit inside"));
}

TEST_F(LedgerTest, AfterAForcedEndTheStagesMissWhatTheMainThreadTook) {
  server_.answered(10);
  server_.take_in(5);  // 3 stay in the request queue
  server_.service.add(Counter::entered, 2);
  server_.service.record(HistogramId::wait_ns, 1, 2);
  const auto take = [&](std::uint64_t n) {
    server_.main.book(Reason::failed_forced_end, n);
    server_.main.add(Counter::completed, n);
    server_.main.add(Counter::given_back, n);
  };
  take(5);
  EXPECT_THAT(broken(ledger().at_rest), IsEmpty());
  server_.take_in(1);
  EXPECT_THAT(broken(ledger().at_rest),
              ElementsAre(kMemory, "left behind in stages and queues = booked by the main thread"));
}

class DeferringLedgerTest : public testing::Test {
 protected:
  Ledger ledger() const { return ledger_of(server_.region.snapshot()); }

  TemporaryFolder folder_;
  test::DeferringServer server_{folder_.file("stats")};
};

constexpr const char* kIntoWorkers = "deferred = entered worker + on_demand";
constexpr const char* kIntoResponse =
    "forwarded service - deferred + forwarded worker + forwarded on_demand = entered response";

TEST_F(DeferringLedgerTest, BalancesAtRest) {
  server_.run_some();
  const Ledger ledger = this->ledger();
  EXPECT_EQ(ledger.residual, 0);
  EXPECT_EQ(ledger.in_flight, 0);
  EXPECT_THAT(ledger.outcomes, ElementsAre(20, 2, 0, 0, 0, 0));
  EXPECT_THAT(broken(ledger.at_rest), IsEmpty());
  EXPECT_THAT(broken(ledger.live), IsEmpty());
  // The ledger, five stages, three queues, the waits of four.
  EXPECT_EQ(ledger.at_rest.size(), 4u + 5 + 3 + 4);
}

TEST_F(DeferringLedgerTest, MessagesThatStandInsideBreakNothingButEmptiness) {
  server_.run_some();
  server_.take_in(5);
  server_.defer(4);  // one in the queue, one with the worker, two forwarded
  server_.enter(server_.worker, 1);
  server_.work(server_.on_demand, 2);
  EXPECT_EQ(ledger().in_flight, 5);
  EXPECT_EQ(ledger().residual, 0);
  EXPECT_THAT(broken(ledger().at_rest),
              ElementsAre(kMemory, "worker: entered = forwarded + completed",
                          "forwarded receive = entered service", kIntoWorkers, kIntoResponse));
  EXPECT_THAT(broken(ledger().standing), IsEmpty());
}

// Each test makes one wrong count, and names all the identities that this breaks, and no other.
TEST_F(DeferringLedgerTest, LostInTheWorkerQueue) {
  server_.run_some();
  server_.service.add(Counter::entered);
  server_.service.record(HistogramId::wait_ns, 1);
  server_.service.add(Counter::forwarded);
  server_.service.add(Counter::deferred);
  server_.receive.add(Counter::entered);
  server_.receive.add(Counter::forwarded);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre(kIntoWorkers));
}
TEST_F(DeferringLedgerTest, TakenTwiceFromTheWorkerQueue) {
  server_.run_some();
  server_.work(server_.on_demand, 1);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre(kIntoWorkers, kIntoResponse));
  EXPECT_THAT(broken(ledger().standing), ElementsAre("deferred >= entered worker + on_demand"));
}
TEST_F(DeferringLedgerTest, LostInsideAnOnDemandThread) {
  server_.run_some();
  server_.service.add(Counter::deferred);
  server_.enter(server_.on_demand, 1);
  EXPECT_THAT(broken(ledger().at_rest),
              ElementsAre("on_demand: entered = forwarded + completed", kIntoResponse));
  EXPECT_THAT(
      broken(ledger().standing),
      ElementsAre(
          "forwarded service - deferred + forwarded worker + forwarded on_demand >= entered "
          "response"));
}
TEST_F(DeferringLedgerTest, LostBetweenAWorkerAndResponse) {
  server_.run_some();
  server_.worker.add(Counter::entered);
  server_.worker.record(HistogramId::wait_ns, 1);
  server_.worker.add(Counter::forwarded);
  server_.service.add(Counter::deferred);
  server_.service.add(Counter::forwarded);
  server_.service.add(Counter::entered);
  server_.service.record(HistogramId::wait_ns, 1);
  server_.receive.add(Counter::entered);
  server_.receive.add(Counter::forwarded);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre(kIntoResponse));
}
TEST_F(DeferringLedgerTest, AWaitNotRecorded) {
  server_.run_some();
  server_.take_in(1);
  server_.defer(1);
  server_.on_demand.add(Counter::entered);
  server_.end(server_.on_demand, Reason::no_answer, 1);
  EXPECT_THAT(broken(ledger().at_rest), ElementsAre("on_demand: waits recorded = entered"));
}

TEST_F(DeferringLedgerTest, AfterAForcedEndTheStagesMissWhatTheMainThreadTook) {
  server_.run_some();
  server_.take_in(7);  // one stays in the request queue
  server_.defer(6);    // two stay in the worker queue
  server_.enter(server_.worker, 2);
  server_.enter(server_.on_demand, 1);
  server_.work(server_.on_demand, 1);
  server_.end(server_.main, Reason::failed_forced_end, 7);
  EXPECT_THAT(broken(ledger().at_rest), IsEmpty());
  // Lanes that come back later book nothing, and a message that a worker takes only changes its
  // place.
  server_.enter(server_.worker, 2);
  EXPECT_THAT(broken(ledger().at_rest), IsEmpty());
  server_.end(server_.worker, Reason::no_answer, 1);
  EXPECT_THAT(broken(ledger().at_rest),
              ElementsAre(kMemory, "left behind in stages and queues = booked by the main thread"));
}

// Two lanes that run all stages, without queues between.
class LanesOfAllStagesLedgerTest : public testing::Test {
 protected:
  static RegionOptions options(std::string path) {
    RegionOptions result = test::sample_options(std::move(path));
    result.blocks = {{"lane-0", StageId::receive},  {"lane-0", StageId::service},
                     {"lane-0", StageId::response}, {"main", StageId::server},
                     {"lane-1", StageId::receive},  {"lane-1", StageId::service},
                     {"lane-1", StageId::response}};
    return result;
  }
  Ledger ledger() const { return ledger_of(server_.region.snapshot()); }

  TemporaryFolder folder_;
  test::SampleServer server_{options(folder_.file("stats"))};
  StatsWriter receive_1_ = server_.region.writer(4), service_1_ = server_.region.writer(5),
              response_1_ = server_.region.writer(6);
};

TEST_F(LanesOfAllStagesLedgerTest, BalancesWithEachLanesMessages) {
  server_.answered(10);
  std::swap(server_.receive, receive_1_);
  std::swap(server_.service, service_1_);
  std::swap(server_.response, response_1_);
  server_.answered(7);
  server_.invalid(Reason::invalid_too_short, 2);
  EXPECT_EQ(ledger().received, 19u);
  EXPECT_THAT(broken(ledger().at_rest), IsEmpty());
  server_.take_in(1);
  EXPECT_EQ(ledger().in_flight, 1);
  EXPECT_THAT(broken(ledger().standing), IsEmpty());
  EXPECT_THAT(broken(ledger().at_rest),
              ElementsAre(kMemory, "forwarded receive = entered service"));
}

// A process took in 5, answered 2 and died; its parent completes the counts in its blocks.
TEST_F(LanesOfAllStagesLedgerTest, BalancesAgainWhenTheLedgerOfADeadProcessAreClosed) {
  server_.take_in(5);
  server_.serve(3);
  server_.service.add(Counter::entered, 2);  // it died here
  server_.answer(2);
  EXPECT_EQ(ledger().in_flight, 3);
  EXPECT_FALSE(broken(ledger().at_rest).empty());

  StatsWriter receive = server_.region.writer(0), service = server_.region.writer(1),
              response = server_.region.writer(2);
  service.record(HistogramId::wait_ns, 0,
                 service.value(Counter::entered) - service.recorded(HistogramId::wait_ns));
  service.add(Counter::forwarded,
              service.value(Counter::entered) - service.value(Counter::forwarded));
  response.add(Counter::entered,
               service.value(Counter::forwarded) - response.value(Counter::entered));
  response.record(HistogramId::wait_ns, 0,
                  response.value(Counter::entered) - response.recorded(HistogramId::wait_ns));
  const std::uint64_t lost = receive.value(Counter::received) - response.value(Counter::completed);
  response.book(Reason::failed_dead_process, lost);
  response.add(Counter::completed, lost);
  response.add(Counter::given_back, lost);
  EXPECT_EQ(ledger().outcomes[static_cast<std::size_t>(Outcome::failed)], 3u);
  EXPECT_THAT(broken(ledger().at_rest), IsEmpty());
}

TEST(LedgerWithoutHistogramsTest, WaitsAreNotCompared) {
  const TemporaryFolder folder;
  RegionOptions options = test::sample_options(folder.file("stats"));
  options.histograms = false;
  test::SampleServer server(options);
  server.answered(10);
  EXPECT_EQ(server.region.snapshot().stage("service")->histogram("wait_ns").count(), 0u);
  EXPECT_THAT(broken(ledger_of(server.region.snapshot()).at_rest), IsEmpty());
}

TEST(LedgerOfANewerServerTest, ReasonsOfAnUnknownOutcomeCountAsEnded) {
  Snapshot snapshot;
  snapshot.stages.push_back({.name = "receive",
                             .lanes = 1,
                             .counters = {{"received", 7}},
                             .gauges = {},
                             .histograms = {}});
  snapshot.reasons = {{"evaporated", "slowly", "", 7}};
  EXPECT_EQ(ledger_of(snapshot).residual, 0);
}

TEST_F(LedgerTest, PrintsEveryRow) {
  server_.answered(12);
  server_.main.add(Counter::kernel_dropped, 3400);
  const std::string text = format_ledger(ledger());
  for (const char* row :
       {"received", "= answered", "+ no_answer", "+ invalid", "+ refused", "+ shed", "+ failed",
        "+ in_flight", "+ residual", "sent", "kernel_dropped"})
    EXPECT_THAT(text, testing::HasSubstr(row));
  EXPECT_THAT(text, testing::ContainsRegex("kernel_dropped +3,400\n"));
}

TEST(IdentityTest, SaysBothSidesAndTheResidual) {
  const Identity identity{"a = b", 5, Identity::Relation::equal, 7};
  EXPECT_EQ(format_identity(identity), "BROKEN  a = b: 5 and 7, residual -2");
  EXPECT_EQ(format_identity({"a <= b", 5, Identity::Relation::at_most, 7000}),
            "holds   a <= b: 5 and 7,000, room left 6,995");
  EXPECT_EQ(format_identity({"a >= b", 5, Identity::Relation::at_least, 7}),
            "BROKEN  a >= b: 5 and 7, room left -2");
}

}  // namespace
}  // namespace cpss
