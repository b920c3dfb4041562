// Processes that die between any two updates of their counters. The test makes the updates of the
// steps in the order of the steps; after the parent has booked, the ledger must hold.
#include "server/pipeline/lost_messages.h"

#include <functional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "stats/ledger.h"
#include "stats/region.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

// The blocks of one process.
struct Blocks {
  StatsWriter receive;  // the parent's, where the process does not receive itself
  StatsWriter service;
  StatsWriter response;
};

// One update of one value, and how many messages it counts as received or ended.
struct Update {
  std::function<void(Blocks&)> apply;
  unsigned received = 0;
  unsigned ended = 0;
};

using Block = StatsWriter Blocks::*;
constexpr Block kReceive = &Blocks::receive;
constexpr Block kService = &Blocks::service;
constexpr Block kResponse = &Blocks::response;

Update count(Block block, Counter counter, unsigned n = 1) {
  return {[=](Blocks& blocks) { (blocks.*block).add(counter, n); },
          counter == Counter::received ? n : 0, 0};
}
Update end(Block block, Reason reason) {
  return {[=](Blocks& blocks) { (blocks.*block).book(reason); }, 0, 1};
}
Update wait(Block block, unsigned n) {
  return {[=](Blocks& blocks) { (blocks.*block).record(HistogramId::wait_ns, 0, n); }};
}

// The updates of a stage that takes messages, and that ends them (stages/message/completion.h).
std::vector<Update> take(Block block, unsigned n) {
  return {count(block, Counter::entered, n), wait(block, n),
          count(block, Counter::queue_wait_ns, 5)};
}
std::vector<Update> complete(Block block, const std::vector<Reason>& reasons) {
  std::vector<Update> updates;
  for (const Reason reason : reasons) updates.push_back(end(block, reason));
  const auto n = static_cast<unsigned>(reasons.size());
  updates.push_back(count(block, Counter::completed, n));
  updates.push_back(count(block, Counter::given_back, n));
  return updates;
}

std::vector<Update> all_of(const std::vector<std::vector<Update>>& parts) {
  std::vector<Update> all;
  for (const std::vector<Update>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// A batch of a lane that runs all steps. It has seven datagrams: one is refused, one invalid, one
// not answered, one answered, one cannot be sent, one finds no room at first, and one is deferred.
std::vector<Update> batch_of_a_whole_lane() {
  return all_of({
      {count(kReceive, Counter::received, 7), count(kReceive, Counter::filled, 7),
       count(kReceive, Counter::entered, 7)},
      complete(kReceive, {Reason::refused_not_allowed}),
      {count(kReceive, Counter::forwarded, 6)},
      take(kService, 6),
      complete(kService, {Reason::invalid_too_short, Reason::no_answer}),
      {count(kService, Counter::forwarded, 3), count(kResponse, Counter::sent, 1)},
      take(kResponse, 2),
      complete(kResponse, {Reason::answered, Reason::failed_send_other}),
      {count(kService, Counter::deferred_in_place), count(kService, Counter::forwarded),
       count(kResponse, Counter::sent)},
      take(kResponse, 1),
      complete(kResponse, {Reason::answered}),
      take(kResponse, 1),
      {count(kResponse, Counter::sent)},
      complete(kResponse, {Reason::answered}),
  });
}

// The ways that the message of a process that serves no other may go.
std::vector<std::vector<Update>> messages_of_a_process() {
  return {
      all_of({take(kService, 1),
              {count(kService, Counter::forwarded), count(kResponse, Counter::sent)},
              take(kResponse, 1),
              complete(kResponse, {Reason::answered})}),
      all_of({take(kService, 1), complete(kService, {Reason::no_answer})}),
      all_of({take(kService, 1),
              {count(kService, Counter::forwarded)},
              take(kResponse, 1),
              complete(kResponse, {Reason::failed_send_refused})}),
  };
}

// A region with one place, for processes one after the other, and with their parent's blocks.
class Place {
 public:
  Place(bool receives, Detail detail)
      : receives_(receives),
        region_(options(folder_.file("stats"), receives, detail)),
        blocks_{region_.writer(0), region_.writer(1), region_.writer(2)},
        main_(region_.writer(3)),
        ledger_(receives ? std::vector{blocks_.receive, blocks_.service, blocks_.response}
                         : std::vector{blocks_.service, blocks_.response},
                receives) {}

  // A process dies after `after` of its updates, or ends with the last; then the parent books.
  void live_and_die(const std::vector<Update>& updates, std::size_t after) {
    std::uint64_t expected = receives_ ? 0 : give_one();
    for (std::size_t i = 0; i < after; ++i) {
      updates[i].apply(blocks_);
      expected += updates[i].received;
      expected -= updates[i].ended;
    }
    EXPECT_EQ(ledger_.all_ended(), expected == 0) << after;
    EXPECT_EQ(ledger_.book(Reason::failed_dead_process, main_), expected) << after;
    EXPECT_TRUE(ledger_.all_ended()) << after;
    lost_ += expected;
    EXPECT_EQ(main_.value(Reason::failed_dead_process), lost_) << after;
    EXPECT_TRUE(ledger_holds()) << "after update " << after;
  }
  std::uint64_t book_again() { return ledger_.book(Reason::failed_dead_process, main_); }
  const StatsWriter& main() const { return main_; }

 private:
  static RegionOptions options(std::string path, bool receives, Detail detail) {
    RegionOptions region;
    region.path = std::move(path);
    region.model = "mp";
    region.service = "test";
    const std::string process = "proc-0";
    region.blocks = {{receives ? process : "recv-0", StageId::receive, detail},
                     {process, StageId::service},
                     {process, StageId::response, detail},
                     {"main", StageId::server}};
    region.max_inside = 100;
    region.slots = 100;
    return region;
  }
  // The parent's receive lane hands the process its message.
  std::uint64_t give_one() {
    for (const Counter counter :
         {Counter::received, Counter::filled, Counter::entered, Counter::forwarded})
      blocks_.receive.add(counter);
    ledger_.given(1);
    return 1;
  }
  bool ledger_holds() const {
    const Ledger ledger = ledger_of(region_.snapshot());
    EXPECT_EQ(ledger.residual, 0);
    EXPECT_EQ(ledger.in_flight, 0);
    bool all = ledger.residual == 0 && ledger.in_flight == 0;
    for (const Identity& identity : ledger.at_rest) {
      EXPECT_TRUE(identity.holds()) << format_identity(identity);
      all = all && identity.holds();
    }
    return all;
  }

  const bool receives_;
  TemporaryFolder folder_;
  StatsRegion region_;
  Blocks blocks_;
  StatsWriter main_;
  LostMessages ledger_;
  std::uint64_t lost_ = 0;
};

// At each level of detail the ledger must balance.
class LostMessagesTest : public testing::TestWithParam<Detail> {};

TEST_P(LostMessagesTest, AProcessThatReceivesMayDieAnywhere) {
  const std::vector<Update> updates = batch_of_a_whole_lane();
  for (std::size_t after = 0; after <= updates.size(); ++after) {
    Place place(true, GetParam());
    place.live_and_die(updates, after);
    EXPECT_EQ(place.book_again(), 0u) << "booked twice";
  }
}

TEST_P(LostMessagesTest, AProcessThatIsGivenItsMessageMayDieAnywhere) {
  for (const std::vector<Update>& updates : messages_of_a_process()) {
    for (std::size_t after = 0; after <= updates.size(); ++after) {
      Place place(false, GetParam());
      place.live_and_die(updates, after);
      EXPECT_EQ(place.book_again(), 0u) << "booked twice";
    }
  }
}

TEST_P(LostMessagesTest, SeveralThatReceiveDieOnTheSameBlocks) {
  const std::vector<Update> updates = batch_of_a_whole_lane();
  Place place(true, GetParam());
  std::mt19937 random(1);
  std::uniform_int_distribution<std::size_t> any(0, updates.size());
  for (std::size_t after = 0; after <= updates.size(); ++after) place.live_and_die(updates, after);
  for (std::size_t after = updates.size(); after > 0; --after) place.live_and_die(updates, after);
  for (int death = 0; death < 200; ++death) place.live_and_die(updates, any(random));
}

TEST_P(LostMessagesTest, SeveralThatAreGivenMessagesDieOnTheSameBlocks) {
  const std::vector<std::vector<Update>> messages = messages_of_a_process();
  Place place(false, GetParam());
  std::mt19937 random(1);
  for (int death = 0; death < 200; ++death) {
    const std::vector<Update>& updates = messages[random() % messages.size()];
    place.live_and_die(updates, random() % (updates.size() + 1));
  }
}

// The process dies after several batches: only the last one is incomplete.
TEST_P(LostMessagesTest, WhatAProcessDidBeforeItsLastBatchIsItsOwn) {
  const std::vector<Update> batch = batch_of_a_whole_lane();
  const std::vector<Update> life = all_of({batch, batch, batch});
  for (std::size_t after = 2 * batch.size(); after <= life.size(); ++after) {
    Place place(true, GetParam());
    place.live_and_die(life, after);
  }
}

TEST_P(LostMessagesTest, OneThatEndsWellHasLostNothing) {
  const std::vector<Update> updates = batch_of_a_whole_lane();
  Place place(true, GetParam());
  for (int process = 0; process < 3; ++process) place.live_and_die(updates, updates.size());
  for (const Counter counter : {Counter::completed, Counter::given_back})
    EXPECT_EQ(place.main().value(counter), 0u);
}

INSTANTIATE_TEST_SUITE_P(Details, LostMessagesTest,
                         testing::Values(Detail::histograms, Detail::essential),
                         [](const auto& detail) {
                           return detail.param == Detail::essential ? "Essential" : "Histograms";
                         });

// A message for which no process could be started was not given.
TEST(LostMessages, WhatWasTakenBackIsNotLost) {
  TemporaryFolder folder;
  RegionOptions options;
  options.path = folder.file("stats");
  options.blocks = {{"proc-0", StageId::service}, {"main", StageId::server}};
  StatsRegion region(options);
  StatsWriter main = region.writer(1);
  LostMessages ledger({region.writer(0)}, false);
  ledger.given(1);
  ledger.given(static_cast<std::uint64_t>(-1));
  EXPECT_EQ(ledger.book(Reason::failed_forced_end, main), 0u);
  ledger.given(1);
  EXPECT_EQ(ledger.book(Reason::failed_forced_end, main), 1u);
  EXPECT_EQ(main.value(Reason::failed_forced_end), 1u) << "for the reason that is said";
}

}  // namespace
}  // namespace cpss
