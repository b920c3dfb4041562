#include "tests/stress/crew.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "tests/support/sanitizers.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/common_interface_defs.h>
#endif

namespace cpss {
namespace {

// Under ThreadSanitizer everything is some ten times slower.
constexpr std::chrono::seconds kPatience{kThreadSanitizer ? 10 : 2};

// A signal handler reads this: plain bytes, written before the threads of a run start.
char g_epitaph[512];

void write_epitaph() {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, g_epitaph, std::strlen(g_epitaph));
}

extern "C" void on_fatal_signal(int signal_number) {
  write_epitaph();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

}  // namespace

void fail(const Run& run, const std::string& what) {
  const std::string text = fmt::format("FAILED {}: {}\n", describe(run), what);
  std::fputs(text.c_str(), stderr);
  // The other threads still run: no destructors.
  std::_Exit(1);
}

void name_run_if_killed(const Run& run) {
  const std::string text = fmt::format("KILLED {}\n", describe(run));
  const std::size_t length = std::min(text.size(), sizeof g_epitaph - 1);
  std::memcpy(g_epitaph, text.data(), length);
  g_epitaph[length] = '\0';
  signal(SIGABRT, on_fatal_signal);
#ifdef __SANITIZE_THREAD__
  __sanitizer_set_death_callback(write_epitaph);
#else
  signal(SIGSEGV, on_fatal_signal);
#endif
}

Worker::Worker(std::string_view role, const Run& run, std::uint64_t number)
    : role_(role),
      waits_(run.waits),
      random_(run.seed * 1000 + number),
      pauser_(random_.next(), run.hot) {}

Deadline Worker::deadline() noexcept {
  if (waits_ == Waits::untimed || random_.one_in(4)) return kNoDeadline;
  return std::chrono::steady_clock::now() + std::chrono::microseconds(random_.below(300));
}

Crew::Crew(const Run& run, std::function<std::string()> state)
    : run_(run), state_(std::move(state)) {}

Crew::~Crew() {
  for (const auto& worker : workers_) join(worker->role_);
}

void Crew::start(std::string_view role, std::function<void(Worker&)> work) {
  workers_.push_back(std::make_unique<Worker>(role, run_, workers_.size()));
  Worker& worker = *workers_.back();
  worker.thread_ = std::thread([&worker, work = std::move(work)] {
    this_threads_pauser = &worker.pauser_;
    work(worker);
    worker.doing("ended");
    worker.ended_.store(true, std::memory_order_relaxed);
  });
}

void Crew::join(std::string_view role) {
  using Clock = std::chrono::steady_clock;
  const auto goes_on = [role](const std::unique_ptr<Worker>& worker) {
    return worker->role_ == role && !worker->ended_.load(std::memory_order_relaxed);
  };
  std::uint64_t seen = progress();
  Clock::time_point seen_at = Clock::now();
  while (std::any_of(workers_.begin(), workers_.end(), goes_on)) {
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    if (const std::uint64_t now = progress(); now != seen) {
      seen = now;
      seen_at = Clock::now();
    } else if (Clock::now() - seen_at > kPatience) {
      fail(run_, "lost wake-up or stuck\n" + report());
    }
  }
  for (const auto& worker : workers_)
    if (worker->role_ == role && worker->thread_.joinable()) worker->thread_.join();
}

std::uint64_t Crew::progress() const {
  std::uint64_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->progress_.load(std::memory_order_relaxed);
    if (worker->ended_.load(std::memory_order_relaxed)) ++sum;
  }
  return sum;
}

std::string Crew::report() const {
  std::string text = "  " + state_() + "\n";
  for (const auto& worker : workers_)
    text += fmt::format("  {}: {}, progress {}\n", worker->role_,
                        worker->doing_.load(std::memory_order_relaxed),
                        worker->progress_.load(std::memory_order_relaxed));
  return text;
}

}  // namespace cpss
