// The leader token: to which lane it goes, and that under threads it is never lost, never with two
// lanes, and never parked while a lane has room. All interleavings of few lanes: tests/spin.
#include "queue/leader_token.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/queue/gate.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

constexpr std::uint32_t kMaxLanes = 4;

class EventFd {
 public:
  explicit EventFd(int flags = 0) : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | flags)) {}
  ~EventFd() { close(fd_); }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;
  int fd() const { return fd_; }
  bool readable() const {
    pollfd look{fd_, POLLIN, 0};
    return poll(&look, 1, 0) == 1;
  }

 private:
  const int fd_;
};

struct Events {
  std::array<EventFd, kMaxLanes> of_lane;
  std::array<int, kMaxLanes> fds{of_lane[0].fd(), of_lane[1].fd(), of_lane[2].fd(),
                                 of_lane[3].fd()};
  std::span<const int> first(std::uint32_t lanes) const { return std::span(fds).first(lanes); }
};

// --- the rules, on one thread ---

class LeaderTokenTest : public testing::Test {
 protected:
  // The token of `max` lanes of which `started` run; a lane with two messages has no room.
  LeaderToken lanes(std::uint32_t max, std::uint32_t started, std::uint32_t min = 1) {
    return LeaderToken(events_.first(max), {.started = started, .min = min, .limit = 2});
  }

  static void expect_promotion(const Promotion& got, TokenGoes token, std::uint32_t lane,
                               std::uint32_t wakes = 0) {
    EXPECT_EQ(got.token, token);
    EXPECT_EQ(got.lane, lane);
    EXPECT_EQ(got.wakes, wakes);
  }

  // Fills lane 0, which passes the token to lane 1, and so on for `lanes` lanes: the last one parks
  // it.
  static void fill(LeaderToken& token, std::uint32_t lanes) {
    for (std::uint32_t lane = 0; lane + 1 < lanes; ++lane)
      expect_promotion(token.promote(lane, 2, true), TokenGoes::passed, lane + 1);
    expect_promotion(token.promote(lanes - 1, 2, true), TokenGoes::parked, lanes - 1);
  }

  Events events_;
};

TEST_F(LeaderTokenTest, TheFirstLaneBegins) {
  LeaderToken token = lanes(3, 2);
  EXPECT_TRUE(token.is_leader(0));
  EXPECT_FALSE(token.is_leader(1));
  EXPECT_FALSE(token.is_leader(2));
  EXPECT_EQ(token.open_guess(), 2u);
}

TEST_F(LeaderTokenTest, GoesToTheLeastLoaded) {
  LeaderToken token = lanes(3, 3);
  expect_promotion(token.promote(0, 2, true), TokenGoes::passed, 1);
  EXPECT_FALSE(token.is_leader(0));
  EXPECT_TRUE(token.is_leader(1));
  EXPECT_EQ(token.load_guess(0), 2u);
  expect_promotion(token.promote(1, 1, true), TokenGoes::passed, 2);
  // Lane 0 has two messages, lane 1 has one.
  expect_promotion(token.promote(2, 2, true), TokenGoes::passed, 1);
  EXPECT_TRUE(token.is_leader(1));
}

TEST_F(LeaderTokenTest, AmongEqualsItStaysOrGoesToTheLowerNumber) {
  LeaderToken token = lanes(3, 3);
  expect_promotion(token.promote(0, 0, true), TokenGoes::kept, 0);
  expect_promotion(token.promote(0, 1, true), TokenGoes::passed, 1);
  expect_promotion(token.promote(1, 1, true), TokenGoes::passed, 2);
  expect_promotion(token.promote(2, 1, true), TokenGoes::kept, 2);
  EXPECT_TRUE(token.is_leader(2));
  EXPECT_FALSE(token.done(2)) << "it has it already";
  EXPECT_TRUE(token.is_leader(2));
  EXPECT_FALSE(token.done(0));
  EXPECT_FALSE(token.done(1));
  expect_promotion(token.promote(2, 1, true), TokenGoes::passed, 0);
}

TEST_F(LeaderTokenTest, ALaneIsStartedOnlyWhenAllThatRunAreAtTheirLimit) {
  LeaderToken token = lanes(3, 1);
  expect_promotion(token.promote(0, 1, true), TokenGoes::kept, 0);
  expect_promotion(token.promote(0, 2, true), TokenGoes::start, 1);
  EXPECT_TRUE(token.is_leader(1));
  EXPECT_EQ(token.open_guess(), 1u) << "not before it has its thread";
  token.start_succeeded();
  EXPECT_EQ(token.open_guess(), 2u);
  EXPECT_FALSE(token.done(0));
  expect_promotion(token.promote(1, 2, true), TokenGoes::passed, 0);
  expect_promotion(token.promote(0, 2, true), TokenGoes::start, 2);
}

TEST_F(LeaderTokenTest, WithAllLanesAtTheirLimitItIsParkedUntilOneIsDone) {
  LeaderToken token = lanes(3, 3);
  fill(token, 3);
  EXPECT_TRUE(token.parked_guess());
  for (std::uint32_t lane = 0; lane < 3; ++lane) EXPECT_FALSE(token.is_leader(lane));
  EXPECT_TRUE(token.done(1));
  EXPECT_TRUE(token.is_leader(1));
  EXPECT_FALSE(token.parked_guess());
  EXPECT_FALSE(token.done(0)) << "once";
  EXPECT_FALSE(token.is_leader(0));
  expect_promotion(token.promote(1, 2, true), TokenGoes::passed, 0);
}

TEST_F(LeaderTokenTest, MoreThanTheLimitIsNoRoomEither) {
  LeaderToken token = lanes(1, 1);
  expect_promotion(token.promote(0, 7, true), TokenGoes::parked, 0);
  EXPECT_TRUE(token.done(0));
}

TEST_F(LeaderTokenTest, WakesASleeperAndNobodyElse) {
  LeaderToken token = lanes(2, 2);
  ASSERT_TRUE(token.prepare_sleep(1));
  expect_promotion(token.promote(0, 1, true), TokenGoes::passed, 1, 1);
  EXPECT_TRUE(events_.of_lane[1].readable());
  EXPECT_FALSE(events_.of_lane[0].readable());
  EXPECT_TRUE(token.woke(1));
  EXPECT_FALSE(events_.of_lane[1].readable()) << "the next sleep would end at once";
  EXPECT_TRUE(token.is_leader(1));
  EXPECT_FALSE(token.done(0));
  expect_promotion(token.promote(1, 1, true), TokenGoes::passed, 0, 0);
  EXPECT_FALSE(events_.of_lane[0].readable());
}

TEST_F(LeaderTokenTest, NobodySleepsOrEndsPastTheToken) {
  LeaderToken token = lanes(2, 2);
  expect_promotion(token.promote(0, 1, true), TokenGoes::passed, 1);
  EXPECT_FALSE(token.prepare_sleep(1));
  EXPECT_FALSE(token.try_end(1));
  EXPECT_FALSE(token.close_for_good(1));
  EXPECT_EQ(token.open_guess(), 2u);
  EXPECT_TRUE(token.is_leader(1));
}

TEST_F(LeaderTokenTest, ASleepThatEndsWithoutTheTokenIsNone) {
  LeaderToken token = lanes(2, 2);
  ASSERT_TRUE(token.prepare_sleep(1));
  EXPECT_FALSE(token.woke(1));
  EXPECT_FALSE(token.is_leader(1));
  expect_promotion(token.promote(0, 1, true), TokenGoes::passed, 1, 0);
}

TEST_F(LeaderTokenTest, IdleLanesEndDownToMin) {
  LeaderToken token = lanes(4, 4, 2);
  EXPECT_TRUE(token.try_end(1));
  EXPECT_TRUE(token.try_end(3));
  EXPECT_FALSE(token.try_end(2)) << "two stay";
  EXPECT_EQ(token.open_guess(), 2u);
  expect_promotion(token.promote(0, 1, true), TokenGoes::passed, 2);
  expect_promotion(token.promote(2, 2, true), TokenGoes::passed, 0);
  expect_promotion(token.promote(0, 2, true), TokenGoes::start, 1);
  token.start_succeeded();
  EXPECT_EQ(token.open_guess(), 3u);
}

TEST_F(LeaderTokenTest, AFailedStartGivesTheTokenToWhoHasRoom) {
  LeaderToken token = lanes(3, 2);
  expect_promotion(token.promote(0, 2, true), TokenGoes::passed, 1);
  expect_promotion(token.promote(1, 2, true), TokenGoes::start, 2);
  EXPECT_FALSE(token.done(0));
  ASSERT_TRUE(token.prepare_sleep(0));
  expect_promotion(token.start_failed(1, 2), TokenGoes::passed, 0, 1);
  EXPECT_FALSE(token.is_leader(2));
  EXPECT_EQ(token.open_guess(), 2u);
  EXPECT_TRUE(token.woke(0));
  expect_promotion(token.promote(0, 2, true), TokenGoes::start, 2);
}

TEST_F(LeaderTokenTest, AFailedStartWithoutRoomAnywhereParks) {
  LeaderToken token = lanes(3, 1);
  expect_promotion(token.promote(0, 2, true), TokenGoes::start, 1);
  expect_promotion(token.start_failed(0, 1), TokenGoes::parked, 0);
  EXPECT_EQ(token.open_guess(), 1u);
  EXPECT_TRUE(token.done(0));
}

TEST_F(LeaderTokenTest, AtTheEndItGoesToOpenLanesOnly) {
  LeaderToken token = lanes(3, 2);
  expect_promotion(token.promote(0, 2, false), TokenGoes::passed, 1);
  expect_promotion(token.promote(1, 2, false), TokenGoes::parked, 1);
  EXPECT_TRUE(token.done(1));
  EXPECT_FALSE(token.done(0));
  EXPECT_TRUE(token.close_for_good(0)) << "however few remain";
  expect_promotion(token.promote(1, 1, false), TokenGoes::kept, 1);
  EXPECT_FALSE(token.close_for_good(1)) << "the last one drains";
}

// --- sleepers that do not wake up ---

// Lane 0 is full, 1 and 2 sleep, 1 has been given the token.
class LateSleeper : public LeaderTokenTest {
 protected:
  LateSleeper() {
    EXPECT_TRUE(token_.prepare_sleep(1));
    EXPECT_TRUE(token_.prepare_sleep(2));
    expect_promotion(token_.promote(0, 2, true), TokenGoes::passed, 1, 1);
  }
  void relieve_the_first() {
    EXPECT_FALSE(token_.relieve()) << "it has just been woken";
    const auto goes = token_.relieve();
    ASSERT_TRUE(goes);
    expect_promotion(*goes, TokenGoes::passed, 2, 1);
  }

  LeaderToken token_ = lanes(3, 3);
};

TEST_F(LateSleeper, LosesTheTokenToAnother) {
  relieve_the_first();
  EXPECT_TRUE(events_.of_lane[2].readable());
  EXPECT_TRUE(token_.woke(2));
  EXPECT_TRUE(token_.is_leader(2));
  expect_promotion(token_.promote(2, 1, true), TokenGoes::kept, 2);
  EXPECT_FALSE(token_.woke(1)) << "it has come too late";
  EXPECT_FALSE(token_.is_leader(1));
  expect_promotion(token_.promote(2, 1, true), TokenGoes::passed, 1);
}

TEST_F(LateSleeper, KeepsItIfItWakesUpInTime) {
  EXPECT_FALSE(token_.relieve());
  EXPECT_TRUE(token_.woke(1));
  EXPECT_FALSE(token_.relieve());
  EXPECT_FALSE(token_.relieve());
  EXPECT_TRUE(token_.is_leader(1));
}

TEST_F(LateSleeper, KeepsItIfNobodyElseHasRoom) {
  EXPECT_FALSE(token_.woke(2));
  EXPECT_TRUE(token_.try_end(2));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(token_.relieve());
  EXPECT_TRUE(token_.woke(1));
  EXPECT_TRUE(token_.is_leader(1));
}

TEST_F(LateSleeper, TakesAParkedTokenWhenItWakesUp) {
  relieve_the_first();
  EXPECT_TRUE(token_.woke(2));
  expect_promotion(token_.promote(2, 2, true), TokenGoes::parked, 2);
  EXPECT_TRUE(token_.woke(1));
  EXPECT_TRUE(token_.is_leader(1));
  EXPECT_FALSE(token_.done(0)) << "it is no longer parked";
}

// --- a token that is parked because a lane could not be started ---

class FailedStart : public LeaderTokenTest {
 protected:
  // The token is parked, and lane 1 has no thread.
  FailedStart() {
    expect_promotion(token_.promote(0, 2, true), TokenGoes::start, 1);
    expect_promotion(token_.start_failed(0, 1), TokenGoes::parked, 0);
  }
  void take_up(TokenGoes token, std::uint32_t lane) {
    const auto goes = token_.take_up();
    ASSERT_TRUE(goes);
    expect_promotion(*goes, token, lane);
  }

  LeaderToken token_ = lanes(2, 1);
};

TEST_F(FailedStart, IsTriedAgainWithoutALane) {
  take_up(TokenGoes::start, 1);
  token_.start_succeeded();
  EXPECT_TRUE(token_.is_leader(1));
  EXPECT_EQ(token_.open_guess(), 2u);
  EXPECT_FALSE(token_.take_up()) << "it is not parked";
  EXPECT_FALSE(token_.done(0));
}

TEST_F(FailedStart, MayFailAgain) {
  for (int i = 0; i < 3; ++i) {
    take_up(TokenGoes::start, 1);
    expect_promotion(token_.start_failed(std::nullopt, 1), TokenGoes::parked, 0);
    EXPECT_EQ(token_.open_guess(), 1u);
  }
  EXPECT_TRUE(token_.done(0));
  EXPECT_FALSE(token_.take_up());
  EXPECT_TRUE(token_.is_leader(0));
}

TEST_F(FailedStart, WhoIsDoneMeanwhileStaysAndGetsIt) {
  take_up(TokenGoes::start, 1);
  EXPECT_FALSE(token_.done(0));
  EXPECT_FALSE(token_.try_end(0)) << "the other one is not there yet";
  expect_promotion(token_.start_failed(std::nullopt, 1), TokenGoes::passed, 0);
  EXPECT_TRUE(token_.is_leader(0));
}

TEST_F(LeaderTokenTest, WhereAllLanesRunAParkedTokenIsTheirs) {
  LeaderToken token = lanes(3, 3);
  fill(token, 3);
  EXPECT_FALSE(token.take_up());
  EXPECT_TRUE(token.parked_guess());
}

// --- stopped at the worst places ---

using GatedToken = BasicLeaderToken<GatePlatform>;

// Runs `first` on a thread up to `point`, then `second` here, then the rest of `first`.
template <class First, class Second>
void interleave(PausePoint point, First first, Second second) {
  Gate gate(point);
  std::thread thread([&] {
    gate.stop_this_thread();
    first();
  });
  gate.wait_until_reached();
  second();
  gate.open();
  thread.join();
}

class LeaderTokenAtPauses : public LeaderTokenTest {
 protected:
  GatedToken token_{events_.first(2), {.started = 2, .limit = 2}};
};

TEST_F(LeaderTokenAtPauses, RoomThatComesBeforeParkingIsFoundByTheSecondLook) {
  expect_promotion(token_.promote(0, 2, true), TokenGoes::passed, 1);
  interleave(
      PausePoint::token_no_room,
      [&] { expect_promotion(token_.promote(1, 2, true), TokenGoes::passed, 0); },
      [&] { EXPECT_FALSE(token_.done(0)) << "nothing is parked yet"; });
  EXPECT_TRUE(token_.is_leader(0));
}

TEST_F(LeaderTokenAtPauses, ALaneThatEndsBeforeParkingIsStartedAgain) {
  expect_promotion(token_.promote(0, 2, true), TokenGoes::passed, 1);
  interleave(
      PausePoint::token_no_room,
      [&] { expect_promotion(token_.promote(1, 2, true), TokenGoes::start, 0); },
      [&] {
        EXPECT_FALSE(token_.done(0));
        EXPECT_TRUE(token_.try_end(0));
      });
  EXPECT_TRUE(token_.is_leader(0));
}

TEST_F(LeaderTokenAtPauses, RoomThatComesAfterParkingTakesTheToken) {
  expect_promotion(token_.promote(0, 2, true), TokenGoes::passed, 1);
  interleave(
      PausePoint::token_parked,
      [&] { expect_promotion(token_.promote(1, 2, true), TokenGoes::parked, 1); },
      [&] { EXPECT_TRUE(token_.done(0)); });
  EXPECT_TRUE(token_.is_leader(0));
}

TEST_F(LeaderTokenAtPauses, ALaneThatHasRoomAndTheOneThatParkedTakeTheTokenOnce) {
  expect_promotion(token_.promote(0, 2, true), TokenGoes::passed, 1);
  expect_promotion(token_.promote(1, 2, true), TokenGoes::parked, 1);
  interleave(
      PausePoint::token_load_cleared, [&] { EXPECT_FALSE(token_.done(0)); },
      [&] { EXPECT_TRUE(token_.done(1)); });
  EXPECT_TRUE(token_.is_leader(1));
  EXPECT_FALSE(token_.is_leader(0));
}

TEST_F(LeaderTokenAtPauses, TheChosenLaneMayHaveClosed) {
  interleave(
      PausePoint::token_lane_chosen,
      [&] { expect_promotion(token_.promote(0, 2, true), TokenGoes::start, 1); },
      [&] { EXPECT_TRUE(token_.try_end(1)); });
  EXPECT_TRUE(token_.is_leader(1));
  EXPECT_EQ(token_.open_guess(), 1u);
}

TEST_F(LeaderTokenAtPauses, TheTokenMayComeToALaneAboutToClose) {
  interleave(
      PausePoint::token_counted_out, [&] { EXPECT_FALSE(token_.try_end(1)); },
      [&] { expect_promotion(token_.promote(0, 2, true), TokenGoes::passed, 1); });
  EXPECT_TRUE(token_.is_leader(1));
  EXPECT_EQ(token_.open_guess(), 2u);
}

TEST_F(LeaderTokenAtPauses, ASleeperMayWakeUpAsTheTokenIsTakenBack) {
  ASSERT_TRUE(token_.prepare_sleep(1));
  expect_promotion(token_.promote(0, 1, true), TokenGoes::passed, 1, 1);
  EXPECT_FALSE(token_.relieve());
  interleave(
      PausePoint::token_in_hand,
      [&] {
        const auto goes = token_.relieve();
        ASSERT_TRUE(goes);
        expect_promotion(*goes, TokenGoes::passed, 1);
      },
      [&] { EXPECT_FALSE(token_.woke(1)); });
  EXPECT_TRUE(token_.is_leader(1)) << "least loaded, and awake";
}

TEST_F(LeaderTokenAtPauses, OneThatWakesUpLateFindsTheTokenParkedOrIsFound) {
  GatedToken token(events_.first(3), {.started = 3, .limit = 2});
  ASSERT_TRUE(token.prepare_sleep(1));
  expect_promotion(token.promote(0, 2, true), TokenGoes::passed, 1, 1);
  EXPECT_FALSE(token.relieve());
  ASSERT_TRUE(token.relieve());  // to lane 2
  interleave(
      PausePoint::token_no_room,
      [&] { expect_promotion(token.promote(2, 2, true), TokenGoes::passed, 0); },
      [&] {
        EXPECT_FALSE(token.woke(1)) << "nothing is parked yet";
        EXPECT_FALSE(token.done(0));
      });
  EXPECT_TRUE(token.is_leader(0));
}

TEST_F(LeaderTokenAtPauses, OfTwoThatEndOneStaysForTheMin) {
  GatedToken token(events_.first(3), {.started = 3, .min = 2, .limit = 2});
  interleave(
      PausePoint::token_counted_out, [&] { EXPECT_TRUE(token.try_end(1)); },
      [&] { EXPECT_FALSE(token.try_end(2)); });
  EXPECT_EQ(token.open_guess(), 2u);
}

TEST_F(LeaderTokenAtPauses, OneThatIsDoneAsTheTokenIsTakenUpIsFound) {
  GatedToken token(events_.first(2), {.started = 1, .limit = 2});
  expect_promotion(token.promote(0, 2, true), TokenGoes::start, 1);
  expect_promotion(token.start_failed(0, 1), TokenGoes::parked, 0);
  interleave(
      PausePoint::token_in_hand,
      [&] {
        const auto goes = token.take_up();
        ASSERT_TRUE(goes);
        expect_promotion(*goes, TokenGoes::passed, 0);
      },
      [&] { EXPECT_FALSE(token.done(0)); });
  EXPECT_TRUE(token.is_leader(0));
}

TEST_F(LeaderTokenAtPauses, ALateSignalOnlyEndsASleep) {
  ASSERT_TRUE(token_.prepare_sleep(1));
  interleave(
      PausePoint::token_given,
      [&] { expect_promotion(token_.promote(0, 1, true), TokenGoes::passed, 1, 1); },
      [&] { EXPECT_TRUE(token_.woke(1)) << "it woke by itself, and finds the token"; });
  EXPECT_FALSE(token_.done(0));
  expect_promotion(token_.promote(1, 1, true), TokenGoes::passed, 0);
  ASSERT_TRUE(token_.prepare_sleep(1));
  EXPECT_TRUE(events_.of_lane[1].readable());
  EXPECT_FALSE(token_.woke(1));
  EXPECT_FALSE(events_.of_lane[1].readable());
}

// --- under threads ---

// Pauses: seldom anywhere, often at the one point that is hot in a run.
struct Pauser {
  std::minstd_rand random;
  PausePoint hot;

  bool one_in(unsigned n) { return random() % n == 0; }
  void at(PausePoint point) {
    if (one_in(point == hot ? 2 : 32)) sched_yield();
    if (point != hot || !one_in(8)) return;
    const timespec span{0, 20'000};
    nanosleep(&span, nullptr);
  }
};

thread_local Pauser* this_threads_pauser = nullptr;

struct PausingPlatform : NativePlatform {
  static void pause(PausePoint point) noexcept {
    if (this_threads_pauser != nullptr) this_threads_pauser->at(point);
  }
};

constexpr std::array kHotPoints = {PausePoint::token_in_hand,    PausePoint::token_lane_chosen,
                                   PausePoint::token_given,      PausePoint::token_no_room,
                                   PausePoint::token_parked,     PausePoint::token_load_cleared,
                                   PausePoint::token_counted_out};

struct StressRun {
  std::uint32_t lanes;
  std::uint32_t limit;
  std::uint32_t rounds;
  PausePoint hot;
  unsigned seed;
};

// Lanes as a server has them, with an eventfd for the socket: the client writes messages to it. The
// client sends bursts and often waits until they are answered, and now and then until all lanes but
// one have ended.
class Lanes {
 public:
  explicit Lanes(const StressRun& run)
      : run_(run),
        max_burst_((run.lanes + 1) * run.limit),
        token_(events_.first(run.lanes), {.limit = run.limit}),
        threads_(run.lanes),
        answers_(run.rounds * max_burst_) {}

  void run() {
    start(0);
    std::atomic<bool> relieve = true;
    std::thread reliever([&] {
      Pauser pauser{std::minstd_rand(run_.seed + 999), run_.hot};
      this_threads_pauser = &pauser;
      while (relieve) {
        if (token_.relieve()) ++reliefs_;
        if (const auto goes = token_.take_up()) {
          ++taken_up_;
          start_if_asked(std::nullopt, *goes, pauser);
        }
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    });
    send_all();
    relieve = false;
    reliever.join();
    stop();
    const bool ended = eventually([this] { return running_ == 0; });
    invariant(ended, "all lanes end");  // a lane that hangs would use destroyed objects
    for (Thread& lane : threads_)
      if (lane.thread.joinable()) lane.thread.join();
    EXPECT_FALSE(twice_) << "two lanes listened at once";
    EXPECT_EQ(received_, sent_);
    EXPECT_EQ(static_cast<std::uint32_t>(std::ranges::count(answers_, 1)), sent_);
    EXPECT_EQ(token_.open_guess(), 1u) << "the last one that had the token";
  }

  std::uint32_t starts() const { return starts_; }
  std::uint32_t failed_starts() const { return failed_starts_; }
  std::uint32_t ends() const { return ends_; }
  std::uint32_t reliefs() const { return reliefs_; }
  std::uint32_t taken_up() const { return taken_up_; }

 private:
  // A lane may have been started, have passed the token, ended, and be started again before the
  // thread that started it first has its handle.
  struct Thread {
    std::mutex mutex;
    std::thread thread;
  };

  void send_all() {
    std::minstd_rand random(run_.seed);
    for (std::uint32_t round = 0; round < run_.rounds; ++round) {
      const std::uint64_t burst = 1 + random() % max_burst_;
      sent_ += static_cast<std::uint32_t>(burst);
      ASSERT_EQ(write(socket_.fd(), &burst, sizeof burst), ssize_t{sizeof burst});
      // Other bursts, and the end, meet lanes that are still busy with the last.
      if (random() % 2 == 0) {
        ASSERT_TRUE(await([this] { return answered_ == sent_; }));
      }
      if (round % 16 == 0) {
        ASSERT_TRUE(await([this] { return token_.open_guess() == 1; }));
      }
    }
  }

  template <class Condition>
  testing::AssertionResult await(Condition condition) {
    if (eventually(condition, std::chrono::seconds(30), std::chrono::milliseconds(1)))
      return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << answered_ << " of " << sent_ << " answered, " << token_.open_guess()
           << " lanes open, token " << (token_.parked_guess() ? "" : "not ") << "parked";
  }

  void stop() {
    stopping_ = true;
    for (const int event_fd : events_.first(run_.lanes)) NativePlatform::signal(event_fd);
  }

  void start(std::uint32_t lane) {
    const std::lock_guard lock(threads_[lane].mutex);
    std::thread& thread = threads_[lane].thread;
    if (thread.joinable()) thread.join();
    running_.fetch_add(1, std::memory_order_relaxed);
    const unsigned seed = run_.seed + lane + kMaxLanes * starts_.fetch_add(1, kNoOrder);
    thread = std::thread([this, lane, seed] {
      Pauser pauser{std::minstd_rand(seed), run_.hot};
      this_threads_pauser = &pauser;
      work(lane, pauser);
      running_.fetch_sub(1, std::memory_order_release);
    });
  }

  void work(std::uint32_t lane, Pauser& random) {
    for (;;) {
      if (!token_.is_leader(lane)) {
        if (rest(lane, random)) return;
        continue;
      }
      const std::uint32_t first = received_;
      if (!listen(lane)) return;
      const std::uint32_t last = received_;
      choose_leader(lane, last - first, random);
      for (std::uint32_t message = first; message < last; ++message) {
        if (random.one_in(4)) sched_yield();
        ++answers_[message];
        answered_.fetch_add(1, std::memory_order_release);
      }
      token_.done(lane);
    }
  }

  // One round of a lane without the token. Returns whether the lane has ended.
  bool rest(std::uint32_t lane, Pauser& random) {
    if (random.one_in(4)) sched_yield();  // here the token may come
    if (stopping_) return token_.close_for_good(lane);
    if (!token_.prepare_sleep(lane)) return false;
    pollfd event{events_.fds[lane], POLLIN, 0};
    const bool idle = poll(&event, 1, 1) == 0;
    if (token_.woke(lane) || !idle || !token_.try_end(lane)) return false;
    ends_.fetch_add(1, kNoOrder);
    return true;
  }

  // Returns false when the server stops and the socket is empty.
  bool listen(std::uint32_t lane) {
    if (listeners_.fetch_add(1, kNoOrder) > 0) twice_ = true;
    const bool stopping = stopping_;  // read first: earlier messages are received
    std::uint32_t got = receive();
    if (got == 0 && !stopping) {
      std::array<pollfd, 2> wait = {{{socket_.fd(), POLLIN, 0}, {events_.fds[lane], POLLIN, 0}}};
      poll(wait.data(), wait.size(), -1);
      NativePlatform::drain(events_.fds[lane]);
      got = receive();
    }
    listeners_.fetch_sub(1, kNoOrder);
    return got > 0 || !stopping;
  }

  // The messages are numbered by a plain integer, since the token orders the accesses of its
  // holders.
  std::uint32_t receive() {
    std::uint32_t got = 0;
    for (std::uint64_t one = 0; got < run_.limit; ++got)
      if (read(socket_.fd(), &one, sizeof one) < 0) break;
    received_ += got;
    return got;
  }

  void choose_leader(std::uint32_t self, std::uint32_t messages, Pauser& random) {
    start_if_asked(self, token_.promote(self, messages, !stopping_), random);
  }

  void start_if_asked(std::optional<std::uint32_t> self, const Promotion& result, Pauser& random) {
    if (result.token != TokenGoes::start) return;
    if (random.one_in(4)) {
      failed_starts_.fetch_add(1, kNoOrder);
      token_.start_failed(self, result.lane);
    } else {
      start(result.lane);
      token_.start_succeeded();
    }
  }

  // Relaxed: counters must order nothing, so that ThreadSanitizer sees whether the token does.
  static constexpr std::memory_order kNoOrder = std::memory_order_relaxed;

  const StressRun run_;
  const std::uint32_t max_burst_;
  Events events_;
  EventFd socket_{EFD_SEMAPHORE};
  BasicLeaderToken<PausingPlatform> token_;
  std::vector<Thread> threads_;
  std::uint32_t received_ = 0;
  std::vector<std::uint8_t> answers_;
  std::uint32_t sent_ = 0;
  std::uint32_t reliefs_ = 0;
  std::uint32_t taken_up_ = 0;
  std::atomic<std::uint32_t> answered_{0};
  std::atomic<std::uint32_t> listeners_{0};
  std::atomic<std::uint32_t> running_{0};
  std::atomic<std::uint32_t> starts_{0};
  std::atomic<std::uint32_t> failed_starts_{0};
  std::atomic<std::uint32_t> ends_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> twice_{false};
};

class LeaderTokenStress : public testing::TestWithParam<std::uint32_t> {
 protected:
  void run_all() {
    for (const std::uint32_t limit : {1u, 2u, 5u}) {
      for (const PausePoint hot : kHotPoints) {
        SCOPED_TRACE(testing::Message() << "limit " << limit << ", seed " << ++seed_);
        Lanes run({GetParam(), limit, kSanitized ? 20u : 100u, hot, seed_});
        run.run();
        if (HasFailure()) return;
        starts_ += run.starts();
        failed_starts_ += run.failed_starts();
        ends_ += run.ends();
        reliefs_ += run.reliefs();
        taken_up_ += run.taken_up();
      }
    }
  }

  unsigned seed_ = GetParam() * 1000;
  std::uint32_t starts_ = 0;
  std::uint32_t failed_starts_ = 0;
  std::uint32_t ends_ = 0;
  std::uint32_t reliefs_ = 0;
  std::uint32_t taken_up_ = 0;
};

TEST_P(LeaderTokenStress, OneListensAndNothingIsLost) {
  const bool alone = GetParam() == 1;
  run_all();
  // These two depend on chance more than the others do.
  const auto rare = [this] { return std::min(reliefs_, taken_up_); };
  for (int i = 0; i < 20 && !alone && rare() == 0 && !HasFailure(); ++i) run_all();
  if (HasFailure()) return;
  std::printf("%u starts, %u failed starts, %u ends of idle lanes, %u reliefs, %u taken up\n",
              starts_, failed_starts_, ends_, reliefs_, taken_up_);
  EXPECT_GT(starts_, 3 * kHotPoints.size() * (alone ? 0 : 1)) << "only the first lane ran";
  EXPECT_EQ(failed_starts_ > 0, !alone);
  EXPECT_EQ(ends_ > 0, !alone);
  EXPECT_EQ(reliefs_ > 0, !alone);
  EXPECT_EQ(taken_up_ > 0, !alone);
}

INSTANTIATE_TEST_SUITE_P(Lanes, LeaderTokenStress, testing::Values(1, 2, 3, 4),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace cpss
