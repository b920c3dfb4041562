#include "tools/udpblast/run.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net/udp_socket.h"
#include "stats/clock.h"
#include "stats/file_descriptor.h"
#include "tools/udpblast/blast_loop.h"
#include "tools/udpblast/progress.h"
#include "tools/udpblast/say.h"

namespace cpss::udpblast {
namespace {

// SIGINT and SIGTERM as something to wait for, in the thread that makes it and those it starts.
class SignalsAsEvents {
 public:
  SignalsAsEvents() {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &wanted, &before_);
    fd_ = FileDescriptor(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~SignalsAsEvents() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsAsEvents(const SignalsAsEvents&) = delete;
  SignalsAsEvents& operator=(const SignalsAsEvents&) = delete;

  int descriptor() const noexcept { return fd_.get(); }
  // Whether there was one.
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

using Loops = std::vector<std::unique_ptr<BlastLoop>>;

std::uint64_t messages_in_all(const Options& options, const Workload& workload) {
  if (options.count) return *options.count;
  if (options.run_ns) return kMostMessages;
  return workload.one_pass().value_or(kMostMessages);
}

// Part i of n parts of `whole` that differ by at most one.
std::uint32_t share_of(std::uint32_t whole, std::uint32_t parts, std::uint32_t i) {
  return whole / parts + (i < whole % parts ? 1 : 0);
}

// In proportion to the clients, so that every client of the run has the same window, give or take
// one.
std::uint32_t outstanding_of(const Options& options, std::uint32_t first_client,
                             std::uint32_t clients) {
  const std::uint32_t each = options.outstanding / options.clients;
  const std::uint32_t with_one_more = options.outstanding % options.clients;
  const std::uint32_t end = first_client + clients;
  return each * clients + std::min(end, with_one_more) - std::min(first_client, with_one_more);
}

Loops make_loops(const Options& options, const Workload& workload, NumberPool& numbers,
                 const StopFlag& stop, std::uint64_t start_ns) {
  std::random_device random;
  Loops loops;
  std::uint32_t first_client = 0;
  for (std::uint32_t i = 0; i < options.threads; ++i) {
    LoopSettings settings;
    settings.server = options.server;
    settings.clients = share_of(options.clients, options.threads, i);
    settings.outstanding = outstanding_of(options, first_client, settings.clients);
    settings.size = options.size;
    settings.timeout_ns = options.timeout_ns;
    settings.start_ns = start_ns;
    if (options.run_ns) settings.send_until_ns = start_ns + *options.run_ns;
    settings.seed = std::uint64_t{random()} << 32 | random();
    settings.check = options.check;
    loops.push_back(std::make_unique<BlastLoop>(settings, workload, numbers, stop));
    first_client += settings.clients;
  }
  return loops;
}

Totals read_all(const Loops& loops) {
  Totals totals;
  for (const auto& loop : loops) totals.add(loop->tally().read());
  return totals;
}

// Returns when all loops have ended. Whether a signal came meanwhile.
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

void demand_balance(const Totals& totals) {
  const auto imbalance = totals.imbalance();
  if (!imbalance) return;
  say("udpblast: defect: its own books do not balance: " + *imbalance + '\n');
  std::abort();
}

}  // namespace

RunResult run_blast(const Options& options, const Workload& workload) {
  SignalsAsEvents signals;
  Endings endings;
  if (signals.descriptor() < 0 || endings.descriptor() < 0)
    throw SocketError(fmt::format("signalfd or eventfd: {}", std::strerror(errno)), errno);
  StopFlag stop{Stop::no};
  const std::uint64_t messages = messages_in_all(options, workload);
  NumberPool numbers(messages);
  const std::uint64_t start_ns = monotonic_ns();
  const Loops loops = make_loops(options, workload, numbers, stop, start_ns);
  Progress progress(options, messages, start_ns);

  RunResult result;
  {
    std::vector<std::jthread> threads;
    for (const auto& loop : loops)
      threads.emplace_back([&endings, &loop = *loop] {
        loop.run();
        endings.add();
      });
    result.interrupted = watch(loops, signals, endings, stop, progress);
  }
  progress.end();

  result.title = workload.title();
  std::uint64_t last_heard_ns = start_ns;
  for (const auto& loop : loops) {
    const Totals totals = loop->tally().read();
    demand_balance(totals);
    result.totals.add(totals);
    result.findings.merge(loop->findings());
    result.cpu.user_ns += loop->cpu().user_ns;
    result.cpu.system_ns += loop->cpu().system_ns;
    result.gave_up |= loop->gave_up();
    last_heard_ns = std::max(last_heard_ns, loop->last_heard_ns());
  }
  result.seconds = static_cast<double>(last_heard_ns - start_ns) / 1e9;
  return result;
}

}  // namespace cpss::udpblast
