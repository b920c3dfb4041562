// The semaphore alone, under contention.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "queue/semaphore.h"
#include "tests/stress/crew.h"

namespace cpss {

template <Mutant kMutant>
class SemaphoreRuns {
 public:
  explicit SemaphoreRuns(const Run& run) : run_(run) {}

  // F04: one token goes round among many waiters. It is a lock then, which a plain counter proves;
  // the run stops if the token is free while all sleep.
  void one_token() {
    Semaphore semaphore(1);
    std::uint64_t plain_count = 0;
    Crew crew(run_, [&] { return state(semaphore); });
    for (std::uint32_t i = 0; i < run_.consumers; ++i)
      crew.start("waiter", [&](Worker& me) {
        for (std::uint64_t k = 0; k < run_.messages; ++k) {
          take(me, semaphore, 1);
          ++plain_count;
          me.progressed(1);
          semaphore.post(1);
        }
      });
    crew.join("waiter");
    if (plain_count != run_.consumers * run_.messages)
      fail(run_, fmt::format("{} of {} increments lost: two waiters had the token",
                             run_.consumers * run_.messages - plain_count,
                             run_.consumers * run_.messages));
    check_end(semaphore, 1);
  }

  // There are as many tokens as the waiters want together, and each stops when it has its share: so
  // tokens for which no waiter is woken are not taken by another one.
  void quota() {
    Semaphore semaphore;
    std::atomic<std::uint64_t> wanted = 0;
    std::vector<std::uint32_t> quotas(run_.consumers);
    Random random(run_.seed);
    for (std::uint32_t& quota : quotas) wanted += quota = random.up_to(random.one_in(2) ? 2 : 40);
    Crew crew(run_, [&] { return state(semaphore); });
    for (const std::uint32_t quota : quotas)
      crew.start("waiter", [&, quota](Worker& me) {
        for (std::uint32_t had = 0; had < quota;) had += take(me, semaphore, quota - had);
      });
    for (std::uint32_t i = 0; i < run_.producers; ++i)
      crew.start("poster", [&](Worker& me) { post_all(me, semaphore, wanted); });
    crew.join("waiter");
    crew.join("poster");
    check_end(semaphore, 0);
  }

  // Half of the waiters stand still once they have been woken, until the others have all they want
  // of tokens that come one by one: so a sleeper has to be woken when enough tokens wait.
  void stands_still() {
    Semaphore semaphore;
    std::atomic<std::uint64_t> posted = 0;
    std::atomic<std::uint64_t> taken = 0;
    std::atomic<std::uint32_t> hungry = run_.consumers - run_.consumers / 2;
    Crew crew(run_, [&] { return state(semaphore); });
    const auto take_some = [&](Worker& me) {
      const std::uint32_t tokens = take(me, semaphore, 4);
      taken += tokens;
      return tokens;
    };
    for (std::uint32_t i = 0; i < run_.consumers / 2; ++i)
      crew.start("stands", [&](Worker& me) {
        me.stand_when_woken([&] { return hungry > 0; });
        while (take_some(me) > 0) {
        }
      });
    for (std::uint32_t i = run_.consumers / 2; i < run_.consumers; ++i)
      crew.start("waiter", [&](Worker& me) {
        for (std::uint64_t had = 0; had < run_.messages;) had += take_some(me);
        --hungry;
      });
    for (std::uint32_t i = 0; i < run_.producers; ++i)
      crew.start("poster", [&](Worker& me) {
        while (hungry > 0) {
          // Enough to wake all waiters, one after the other.
          if (semaphore.value_guess() < (1u << run_.consumers) * 4) {
            ++posted;
            semaphore.post(1);
          }
          if (me.random().one_in(4)) sched_yield();
        }
      });
    crew.join("waiter");
    crew.join("poster");
    semaphore.close();
    crew.join("stands");
    check_end(semaphore, posted - taken);
  }

  // Many wait, some tokens come, the semaphore closes: every waiter is told, no token is lost.
  void close() {
    Semaphore semaphore;
    std::atomic<std::uint64_t> taken = 0;
    std::atomic<std::uint64_t> left = run_.messages;
    Crew crew(run_, [&] { return state(semaphore); });
    for (std::uint32_t i = 0; i < run_.consumers; ++i)
      crew.start("waiter", [&](Worker& me) {
        while (const std::uint32_t tokens = take(me, semaphore, 4)) taken += tokens;
      });
    for (std::uint32_t i = 0; i < run_.producers; ++i)
      crew.start("poster", [&](Worker& me) { post_all(me, semaphore, left); });
    if (Random(run_.seed).one_in(2)) crew.join("poster");
    semaphore.close();
    crew.join("waiter");
    crew.join("poster");
    check_end(semaphore, run_.messages - taken);
  }

  // Waiters that sleep in poll() on one eventfd, and give up now and then; each stops when it has
  // its share. Then all wait once more, and the semaphore closes.
  void event_waiters() {
    const int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event_fd < 0) fail(run_, "no eventfd");
    Semaphore semaphore(0, {.event_fd = event_fd});
    std::atomic<std::uint64_t> wanted = run_.messages * run_.consumers;
    std::atomic<std::uint32_t> hungry = run_.consumers;
    const auto wait_for_the_others = [&] {
      while (hungry > 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
    };
    Crew crew(run_, [&] { return state(semaphore); });
    for (std::uint32_t i = 0; i < run_.consumers; ++i)
      crew.start("waiter", [&](Worker& me) {
        for (std::uint64_t had = 0; had < run_.messages;)
          had += poll_take(me, semaphore, run_.messages - had);
        --hungry;
        wait_for_the_others();
        if (poll_take(me, semaphore, 1) > 0) fail(run_, "more tokens taken than posted");
      });
    if (Random(run_.seed).one_in(2))
      crew.start("passer-by", [&](Worker& me) {
        while (hungry > 0) {
          if (const std::uint32_t tokens = semaphore.try_take(me.random().up_to(4)); tokens > 0)
            semaphore.post(tokens);
          sched_yield();
        }
      });
    for (std::uint32_t i = 0; i < run_.producers; ++i)
      crew.start("poster", [&](Worker& me) { post_all(me, semaphore, wanted); });
    crew.join("poster");
    crew.start("closer", [&](Worker& me) {
      wait_for_the_others();
      std::this_thread::sleep_for(std::chrono::microseconds(me.random().below(300)));
      semaphore.close();
    });
    crew.join("waiter");
    crew.join("passer-by");
    crew.join("closer");
    check_end(semaphore, 0);
    ::close(event_fd);
  }

 private:
  using Semaphore = BasicSemaphore<StressPlatform<kMutant>>;

  // Takes 1 to `max` tokens; 0: closed.
  std::uint32_t take(Worker& me, Semaphore& semaphore, std::uint32_t max) {
    for (;;) {
      me.doing("waits");
      const TakeResult result = semaphore.take(
          me.random().up_to(max), me.random().one_in(2) ? 1 : run_.consumers, me.deadline());
      if ((result.status == TakeStatus::taken) != (result.tokens > 0))
        fail(run_, fmt::format("status {} with {} tokens", static_cast<int>(result.status),
                               result.tokens));
      me.progressed(result.tokens);
      if (result.status != TakeStatus::timed_out) return result.tokens;
    }
  }

  std::uint32_t poll_take(Worker& me, Semaphore& semaphore, std::uint64_t max) {
    me.doing("waits");
    // A waiter for which nothing was there when it was counted in may sleep without a look.
    bool looks = semaphore.begin_wait() || me.random().one_in(2);
    for (;;) {
      if (looks) {
        const TakeResult result =
            semaphore.poll_wait(std::min(me.random().up_to(4), static_cast<std::uint32_t>(max)));
        if (result.status != TakeStatus::waiting) {
          me.progressed(result.tokens);
          return result.tokens;
        }
      }
      if (me.random().one_in(16)) {
        semaphore.end_wait();
        looks = semaphore.begin_wait() || me.random().one_in(2);
        continue;
      }
      pollfd event{semaphore.event_fd(), POLLIN, 0};
      poll(&event, 1, run_.waits == Waits::timed ? 1 : -1);
      looks = true;
    }
  }

  // Posts the remaining tokens, in random portions, together with other posters.
  void post_all(Worker& me, Semaphore& semaphore, std::atomic<std::uint64_t>& left) {
    std::uint64_t seen = left.load(std::memory_order_relaxed);
    while (seen > 0) {
      const std::uint64_t portion = std::min<std::uint64_t>(seen, me.random().up_to(8));
      if (!left.compare_exchange_weak(seen, seen - portion, std::memory_order_relaxed)) continue;
      semaphore.post(static_cast<std::uint32_t>(portion));
      me.progressed(portion);
      if (me.random().one_in(4)) sched_yield();
    }
  }

  void check_end(Semaphore& semaphore, std::uint64_t value) {
    if (semaphore.value_guess() != value || semaphore.waiters_guess() != 0)
      fail(run_, fmt::format("{} tokens left, not {}; {} waiters still counted",
                             semaphore.value_guess(), value, semaphore.waiters_guess()));
  }

  std::string state(const Semaphore& semaphore) const {
    return fmt::format("value {}, waiters {}, {}", semaphore.value_guess(),
                       semaphore.waiters_guess(), semaphore.closed() ? "closed" : "open");
  }

  const Run& run_;
};

}  // namespace cpss
