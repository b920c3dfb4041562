// Times have lower bounds only: the machine decides how much later a thread goes on.
#include "services/work.h"

#include <csignal>
#include <ctime>
#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "tests/services/exchange.h"

namespace cpss {
namespace {

std::uint64_t clock_ns(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

WorkService work(const char* text) {
  return WorkService(WorkProfile::parse(text));
}

// A payload of 16 bytes or more; those from 8 on are the key.
std::string payload(std::uint64_t key, std::size_t size = WorkProfile::kMinPayload) {
  std::string bytes(size, 'x');
  for (std::size_t i = 0; i < 8; ++i) bytes[8 + i] = static_cast<char>(key >> (56 - 8 * i));
  return bytes;
}

class Batch {
 public:
  void add(const std::string& request) {
    messages_.push_back(exchanges_.emplace_back(request).message());
  }
  void process(WorkService& service) { service.process(messages_, nullptr); }

  Message& operator[](std::size_t i) { return messages_[i]; }
  void expect_echo(std::size_t i, const std::string& request) {
    EXPECT_EQ(messages_[i].verdict(), Verdict::reply) << i;
    EXPECT_TRUE(messages_[i].in_place());
    EXPECT_FALSE(messages_[i].reply_too_long());
    EXPECT_EQ(messages_[i].reply_length(), request.size());
    EXPECT_EQ(exchanges_[i].request_memory(), request);
  }

 private:
  std::deque<Exchange> exchanges_;
  std::vector<Message> messages_;
};

// The time on `clock` in which `times` messages are processed as one batch.
std::uint64_t spent_ns(clockid_t clock, const char* text, std::uint64_t times) {
  WorkService service = work(text);
  Batch batch;
  for (std::uint64_t key = 0; key < times; ++key) batch.add(payload(key));
  const std::uint64_t begin_ns = clock_ns(clock);
  batch.process(service);
  const std::uint64_t spent = clock_ns(clock) - begin_ns;
  for (std::uint64_t key = 0; key < times; ++key) batch.expect_echo(key, payload(key));
  return spent;
}

TEST(Work, SendsPayloadsBackFromTheRequestsOwnMemory) {
  for (const char* text : {"fixed:0", "fixed:0;sleep", "exp:1", "bimodal:0,1,0.5"}) {
    WorkService service = work(text);
    Batch batch;
    for (std::size_t size = 16; size < 300; ++size) batch.add(payload(size, size));
    batch.process(service);
    for (std::size_t size = 16; size < 300; ++size)
      batch.expect_echo(size - 16, payload(size, size));
  }
}

TEST(Work, APayloadWithoutAKeyIsTooShort) {
  WorkService service = work("fixed:0");
  for (std::size_t size = 0; size < 16; ++size) {
    Exchange exchange(std::string(size, 'x'));
    exchange.ask(service);
    EXPECT_EQ(exchange.message().verdict(), Verdict::invalid) << size;
    EXPECT_EQ(exchange.message().invalid_reason(), InvalidReason::too_short);
    exchange.message().clear_verdict();
    service.process_deferred(exchange.message(), nullptr);  // CPSS_DEFER=all sends them here
    EXPECT_EQ(exchange.message().verdict(), Verdict::invalid) << size;
  }
}

TEST(Work, OneThatIsTooShortDoesNotKeepTheOthersBack) {
  WorkService service = work("fixed:1");
  Batch batch;
  batch.add(payload(1));
  batch.add("short");
  batch.add(payload(2));
  batch.process(service);
  batch.expect_echo(0, payload(1));
  EXPECT_EQ(batch[1].verdict(), Verdict::invalid);
  batch.expect_echo(2, payload(2));
}

TEST(Work, BurnsTheCpuTimeOfEveryMessage) {
  EXPECT_GE(spent_ns(CLOCK_THREAD_CPUTIME_ID, "fixed:2000;burn", 5), 10'000'000u);
  EXPECT_GE(spent_ns(CLOCK_THREAD_CPUTIME_ID, "fixed:3", 1000), 3'000'000u);
}

TEST(Work, BurnsWhatEachKeySays) {
  const WorkProfile profile = WorkProfile::parse("exp:100");
  std::uint64_t asked_ns = 0;
  for (std::uint64_t key = 0; key < 100; ++key) asked_ns += profile.time_ns(key);
  EXPECT_GE(spent_ns(CLOCK_THREAD_CPUTIME_ID, "exp:100", 100), asked_ns);
}

TEST(Work, SleepsForTheTimeOfEveryMessage) {
  rusage before;
  ASSERT_EQ(getrusage(RUSAGE_THREAD, &before), 0);
  EXPECT_GE(spent_ns(CLOCK_MONOTONIC, "fixed:1000;sleep", 20), 20'000'000u);
  EXPECT_GE(spent_ns(CLOCK_MONOTONIC, "fixed:100;sleep", 20), 2'000'000u);
  rusage after;
  ASSERT_EQ(getrusage(RUSAGE_THREAD, &after), 0);
  EXPECT_GT(after.ru_nvcsw, before.ru_nvcsw) << "it never gave the CPU away";
}

TEST(Work, ASignalDoesNotShortenASleep) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  struct sigaction old_action;
  ASSERT_EQ(sigaction(SIGALRM, &action, &old_action), 0);
  const itimerval every_ms = {.it_interval = {0, 1000}, .it_value = {0, 1000}};
  ASSERT_EQ(setitimer(ITIMER_REAL, &every_ms, nullptr), 0);
  EXPECT_GE(spent_ns(CLOCK_MONOTONIC, "fixed:20000;sleep", 1), 20'000'000u);
  const itimerval never = {};
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &old_action, nullptr);
}

TEST(Work, BurnsWhatIsTooShortForASleep) {
  EXPECT_GE(spent_ns(CLOCK_THREAD_CPUTIME_ID, "fixed:99;sleep", 20), 1'980'000u);
}

TEST(Work, DefersWhatTakesLongerAndTakesItThen) {
  const char* const text = "bimodal:1,2000,0.5;burn;defer=1999";
  const WorkProfile profile = WorkProfile::parse(text);
  WorkService service = work(text);
  Batch batch;
  for (std::uint64_t key = 0; key < 20; ++key) batch.add(payload(key));
  batch.process(service);
  std::size_t deferred = 0;
  for (std::uint64_t key = 0; key < 20; ++key) {
    if (!profile.is_long(key)) {
      batch.expect_echo(key, payload(key));
      continue;
    }
    ++deferred;
    ASSERT_EQ(batch[key].verdict(), Verdict::defer) << key;
    batch[key].clear_verdict();
    const std::uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    service.process_deferred(batch[key], nullptr);
    EXPECT_GE(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns, 2'000'000u);
    batch.expect_echo(key, payload(key));
  }
  EXPECT_GT(deferred, 0u);
  EXPECT_LT(deferred, 20u);
}

TEST(Work, WhatTakesAsLongAsDeferSaysIsNotDeferred) {
  WorkService service = work("fixed:10;defer=10");
  Exchange exchange(payload(1));
  exchange.ask(service);
  EXPECT_EQ(exchange.message().verdict(), Verdict::reply);
}

TEST(Work, IsSilentWhenBusyUnlessTheMessageIsNone) {
  const WorkService service = work("fixed:0");
  Exchange good(payload(1));
  good.ask_while_busy(service);
  EXPECT_EQ(good.message().verdict(), Verdict::no_reply);
  Exchange bad("too short");
  bad.ask_while_busy(service);
  EXPECT_EQ(bad.message().verdict(), Verdict::invalid);
  EXPECT_EQ(bad.message().invalid_reason(), InvalidReason::too_short);
}

TEST(Work, SaysThatItReflects) {
  EXPECT_TRUE(work("fixed:0").reflects());
}

TEST(MakeWork, TakesTheTextAndRefusesABadOne) {
  EXPECT_NE(make_work({}), nullptr);
  ServiceSettings settings;
  settings.work = "fixed:1;defer=0";
  const auto service = make_work(settings);
  Exchange exchange(payload(1));
  exchange.ask(*service);
  EXPECT_EQ(exchange.message().verdict(), Verdict::defer);
  settings.work = "nothing";
  EXPECT_THROW(make_work(settings), WorkProfileError);
}

}  // namespace
}  // namespace cpss
