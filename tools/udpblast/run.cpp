#include "tools/udpblast/run.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <system_error>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/early_signals.h"
#include "base/file_descriptor.h"
#include "base/standard_error.h"
#include "net/udp_socket.h"
#include "tools/udpblast/blast_loop.h"
#include "tools/udpblast/loop.h"
#include "tools/udpblast/loss_places.h"
#include "tools/udpblast/progress.h"
#include "tools/udpblast/send_loop.h"
#include "tools/udpblast/verify_loop.h"

namespace cpss::udpblast {
namespace {

constexpr std::uint64_t kToWakeThreadsNs = 2'000'000;

// Makes SIGINT and SIGTERM, unless they are ignored, events of a descriptor: blocks them in the
// thread that makes the object and in those that it starts.
class SignalsAsEvents {
 public:
  SignalsAsEvents() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int signal : {SIGINT, SIGTERM})
      if (!is_ignored(signal)) sigaddset(&wanted, signal);
    ::pthread_sigmask(SIG_BLOCK, &wanted, &before_);
    fd_ = FileDescriptor(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  // A signal that still waits would end the process now, without its report.
  ~SignalsAsEvents() {
    while (take()) continue;
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalsAsEvents(const SignalsAsEvents&) = delete;
  SignalsAsEvents& operator=(const SignalsAsEvents&) = delete;

  int descriptor() const noexcept { return fd_.get(); }
  // Takes a signal; false: none came.
  bool take() noexcept {
    signalfd_siginfo info;
    return ::read(fd_.get(), &info, sizeof info) == sizeof info;
  }

 private:
  sigset_t before_;
  FileDescriptor fd_;
};

// Counts the threads that have ended; the descriptor is readable after each.
class Endings {
 public:
  Endings() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  void add() noexcept { ::eventfd_write(fd_.get(), 1); }
  std::uint64_t take() noexcept {
    eventfd_t count = 0;
    return ::eventfd_read(fd_.get(), &count) == 0 ? count : 0;
  }
  int descriptor() const noexcept { return fd_.get(); }

 private:
  FileDescriptor fd_;
};

using Loops = std::vector<std::unique_ptr<Loop>>;

// When a run starts; nullopt: it does not. Threads wait for it until all of them are there, so that
// a run that gets too few threads sends nothing.
using StartTime = std::optional<std::uint64_t>;

// Each thread runs its loop once `start` is set.
std::vector<std::jthread> start_threads(const Loops& loops, std::promise<StartTime>& start,
                                        Endings& endings) {
  const std::shared_future<StartTime> start_ns = start.get_future().share();
  std::vector<std::jthread> threads;
  threads.reserve(loops.size());
  try {
    for (const auto& loop : loops)
      threads.emplace_back([&endings, &loop = *loop, start_ns] {
        if (const StartTime at_ns = start_ns.get()) loop.run(*at_ns);
        endings.add();
      });
  } catch (const std::system_error& error) {
    start.set_value(std::nullopt);
    throw SocketError(
        fmt::format("only {} of {} threads could be started: {}; use fewer (-T), or allow more: "
                    "'ulimit -u', 'ulimit -v', TasksMax= of systemd, pids.max of the cgroup",
                    threads.size(), loops.size(), error.code().message()),
        error.code().value());
  } catch (...) {  // no memory; the threads that are there would wait for ever
    start.set_value(std::nullopt);
    throw;
  }
  return threads;
}

// Stops the loops if an exception ends the run: their threads are joined next.
class StopAtTheEnd {
 public:
  explicit StopAtTheEnd(StopFlag& stop) noexcept : stop_(stop) {}
  ~StopAtTheEnd() { stop_.store(Stop::at_once, std::memory_order_relaxed); }
  StopAtTheEnd(const StopAtTheEnd&) = delete;
  StopAtTheEnd& operator=(const StopAtTheEnd&) = delete;

 private:
  StopFlag& stop_;
};

// Random, if the user did not choose one.
std::uint64_t seed_of(const Options& options) {
  if (options.seed) return *options.seed;
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

Loops make_loops(const Options& options, const Workload& workload, std::uint64_t seed,
                 std::uint64_t messages, MessageIdPool& message_ids, const StopFlag& stop) {
  Loops loops;
  for (std::uint32_t i = 0; i < options.threads; ++i) {
    LoopSettings settings = settings_of(options, messages, i);
    settings.seed = seed;
    switch (options.part) {
      case Part::both:
        // Each thread has its own table of messages, so no two threads may use the same ids.
        settings.seed = seed_of(options);
        loops.push_back(std::make_unique<BlastLoop>(settings, workload, message_ids, stop));
        break;
      case Part::send:
        loops.push_back(std::make_unique<SendLoop>(settings, workload, message_ids, stop));
        break;
      case Part::verify: {
        auto loop = std::make_unique<VerifyLoop>(settings, workload, messages, stop);
        say(fmt::format("udpblast verify: {} messages are to arrive at {}\n", messages,
                        loop->address().to_string()));
        loops.push_back(std::move(loop));
        break;
      }
    }
  }
  return loops;
}

Totals read_all(const Loops& loops) {
  Totals totals;
  for (const auto& loop : loops) totals.add(loop->tally().read());
  return totals;
}

// Returns when all loops have ended; true if a signal came meanwhile.
bool watch(const Loops& loops, SignalsAsEvents& signals, Endings& endings, StopFlag& stop,
           Progress& progress) {
  bool interrupted = false;
  for (std::uint64_t ended = 0; ended < loops.size();) {
    std::array<pollfd, 2> events{pollfd{signals.descriptor(), POLLIN, 0},
                                 pollfd{endings.descriptor(), POLLIN, 0}};
    ::poll(events.data(), events.size(), progress.due_in_ms(monotonic_ns()));
    while (signals.take()) {
      stop.store(interrupted ? Stop::at_once : Stop::sending, std::memory_order_relaxed);
      interrupted = true;
    }
    ended += endings.take();
    if (ended < loops.size()) progress.show(monotonic_ns(), [&] { return read_all(loops); });
  }
  return interrupted;
}

void demand_balance(const Totals& totals, Part part) {
  const auto imbalance = part == Part::send ? totals.imbalance_of_sending() : totals.imbalance();
  if (!imbalance) return;
  say("udpblast: defect: its own ledger does not balance: " + *imbalance + '\n');
  flush_standard_error();
  std::abort();
}

// Adds up the results of the loops, which have ended.
RunResult add_up(const Loops& loops, const Options& options, std::uint64_t start_ns) {
  RunResult result;
  std::uint64_t last_heard_ns = start_ns;
  std::uint64_t last_sent_ns = start_ns;
  for (const auto& loop : loops) {
    const Totals totals = loop->tally().read();
    demand_balance(totals, options.part);
    result.totals.add(totals);
    result.findings.merge(loop->findings());
    result.cpu.user_ns += loop->cpu().user_ns;
    result.cpu.system_ns += loop->cpu().system_ns;
    result.gave_up |= loop->gave_up();
    last_heard_ns = std::max(last_heard_ns, loop->last_heard_ns());
    last_sent_ns = std::max(last_sent_ns, loop->last_sent_ns());
  }
  result.seconds = static_cast<double>(last_heard_ns - start_ns) / 1e9;
  result.sending_s = static_cast<double>(last_sent_ns - start_ns) / 1e9;
  return result;
}

}  // namespace

RunResult run_blast(const Options& options, const Workload& workload) {
  std::optional<ServerRegion> region;
  if (options.part == Part::both) region = ServerRegion::find(options);
  SignalsAsEvents signals;
  Endings endings;
  if (signals.descriptor() < 0 || endings.descriptor() < 0)
    throw SocketError(
        fmt::format("signalfd or eventfd: {}; raise the limit (ulimit -n)", std::strerror(errno)),
        errno);
  StopFlag stop{Stop::no};
  const std::uint64_t seed = seed_of(options);
  const std::uint64_t messages = messages_of(options, workload.one_pass());
  MessageIdPool message_ids(messages);
  const Loops loops = make_loops(options, workload, seed, messages, message_ids, stop);
  std::promise<StartTime> start;
  std::vector<std::jthread> threads = start_threads(loops, start, endings);
  const StopAtTheEnd stop_at_the_end(stop);
  // The plan of an open loop begins when its threads have had time to wake up.
  const std::uint64_t start_ns = monotonic_ns() + (options.open_loop() ? kToWakeThreadsNs : 0);
  start.set_value(start_ns);
  Progress progress(options, messages, start_ns);
  const bool interrupted = watch(loops, signals, endings, stop, progress);
  threads.clear();
  progress.end();

  RunResult result = add_up(loops, options, start_ns);
  result.title = workload.title();
  result.classes = workload.classes();
  result.interrupted = interrupted;
  result.seed = seed;
  if (options.open_loop()) {
    result.sending_s = std::max(result.sending_s, planned_s(options, result.totals));
    result.schedule = judge_schedule(options, result.totals, result.sending_s);
  }
  if (region) result.loss = region->explain(result.totals);
  return result;
}

}  // namespace cpss::udpblast
