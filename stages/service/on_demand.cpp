#include "stages/service/on_demand.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <system_error>
#include <thread>

#include "base/clock.h"
#include "stages/lane/semaphore_clock.h"

namespace cpss {
namespace {

// The error number of a std::system_error; 0 for any other exception.
int number_of(const std::exception& error) {
  const auto* of_system = dynamic_cast<const std::system_error*>(&error);
  return of_system != nullptr ? of_system->code().value() : 0;
}

}  // namespace

// One place, and the thread that runs in it now, if any: a lane that finds one message, and then
// nothing more.
class OnDemandStarter::Thread final : private Step, private WaitPlace {
 public:
  Thread(const Wiring& wiring, const Place& place)
      : w_(wiring),
        name_(place.name),
        stats_(place.stats),
        work_({w_.service, w_.store, w_.responses}, place.lane, stats_),
        lane_state_(place.lane_state) {}

  bool free() const noexcept { return !lane_; }

  // The caller holds a claim, which passes to the thread. Throws if no thread can be started.
  void start() {
    WaitPlace& place = *this;
    lane_.emplace(LaneOptions{name_, w_.cpus, {}}, std::vector<Step*>{this}, place);
    done_ = false;
    try {
      lane_->start();
    } catch (...) {
      lane_.reset();
      throw;
    }
  }

  // Whether the thread is done with its message: then nothing keeps it from ending.
  bool take_end() noexcept { return ends_.try_take(1) == 1; }
  // Waits until the thread has ended; then the place is free.
  void join() {
    lane_->join(kNoDeadline);
    lane_.reset();
  }
  // Processes a message on the caller's thread. The place is free, and the caller holds a claim.
  void run_here() noexcept { work_.process_one(w_.queue, lane_state_); }

 private:
  RunResult run() noexcept override {
    if (done_) return {};
    work_.process_one(w_.queue, lane_state_);
    done_ = true;
    return has_moved(1);
  }
  bool wait(const RunResult&) noexcept override {
    ends_.post(1);
    w_.occupancy.thread_ends();
    return false;
  }

  const Wiring& w_;
  std::string name_;
  StatsWriter stats_;
  DeferredWork work_;
  LaneState* lane_state_;
  std::optional<Lane> lane_;
  Semaphore ends_;
  bool done_ = false;  // used by the thread alone while it runs
};

OnDemandStarter::OnDemandStarter(Wiring wiring, const std::vector<Place>& places, LaneContext& lane,
                                 StatsWriter stats)
    : w_(std::move(wiring)), lane_(lane), stats_(stats) {
  for (const Place& place : places) threads_.push_back(std::make_unique<Thread>(w_, place));
}

OnDemandStarter::~OnDemandStarter() = default;

RunResult OnDemandStarter::run() noexcept {
  join_ended();
  if (pausing()) return {};
  holds_back_ = false;
  std::size_t started = 0;
  while (wanted()) {
    holds_back_ = !helps();
    if (holds_back_ || !w_.queue.try_claim() || !start_one()) break;
    ++started;
  }
  return has_moved(started);
}

bool OnDemandStarter::wanted() const noexcept {
  return w_.occupancy.wanted([this] { return w_.queue.ready_guess(); });
}

// Counts all lanes that are awake as busy, but for this one, and all threads that it has started.
bool OnDemandStarter::helps() const noexcept {
  if (w_.load == nullptr || w_.awake->count() - 1 + running_ < w_.at_once) return true;
  return w_.load->some_block(w_.occupancy.inside_guess(), monotonic_ns());
}

bool OnDemandStarter::pausing() const noexcept {
  return failures_.failing() && !failures_.due(monotonic_ns());
}

bool OnDemandStarter::start_one() noexcept {
  const auto place = std::ranges::find_if(threads_, [](auto& thread) { return thread->free(); });
  invariant(place != threads_.end(), "fewer threads run than there are places");
  // Counted before it runs, so that never more threads run than are counted.
  w_.occupancy.count_in();
  ++running_;
  try {
    (*place)->start();
  } catch (const std::exception& error) {
    w_.occupancy.count_out();
    --running_;
    w_.queue.unclaim();
    failures_.failed(monotonic_ns());
    stats_.add(Counter::thread_start_errors);
    lane_.events.report(EventKind::thread_not_started, 0, error.what());
    lane_.troubles.failed(Trouble::thread_start, number_of(error));
    return false;
  }
  failures_.succeeded();
  lane_.troubles.over(Trouble::thread_start);
  stats_.add(Counter::threads_started);
  show_threads();
  return true;
}

void OnDemandStarter::join_ended() noexcept {
  for (auto& thread : threads_) {
    if (thread->free() || !thread->take_end()) continue;
    thread->join();
    w_.occupancy.count_out();
    --running_;
    show_threads();
  }
}

void OnDemandStarter::show_threads() noexcept {
  stats_.set(Gauge::threads_now, running_);
  stats_.raise(Gauge::threads_max, running_);
}

bool OnDemandStarter::wait() noexcept {
  if (holds_back_) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(WorkerLoad::kSpan));
    return true;
  }
  Deadline until = deadline_after(w_.longest);
  // Waits until the end of the pause at most, and not at all if the pause has passed since the last
  // run(): perhaps no lane calls any more.
  if (failures_.failing() && wanted()) until = std::min(until, failures_.not_before());
  const TakeResult result = book_wait_for(stats_, [&] { return w_.occupancy.wait(until); });
  if (result.status != TakeStatus::closed) return true;
  for (auto& thread : threads_)
    if (!thread->free()) thread->join();
  // A claim may have been given back when the workers had already ended: no other lane takes its
  // message.
  while (w_.queue.try_claim()) threads_.front()->run_here();
  running_ = 0;
  show_threads();
  return false;
}

}  // namespace cpss
