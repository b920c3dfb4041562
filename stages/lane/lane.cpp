#include "stages/lane/lane.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <sched.h>

#include "stages/lane/cpu_set.h"
#include "stages/lane/stack.h"

namespace cpss {
namespace {

sched_param at_priority(unsigned priority) {
  sched_param parameters{};
  parameters.sched_priority = static_cast<int>(priority);
  return parameters;
}

// A lane's options as attributes for pthread_create(3).
class Attributes {
 public:
  explicit Attributes(const LaneOptions& options) {
    pthread_attr_init(&attributes_);
    // The default would follow 'ulimit -s', or the C library: 128 KiB with musl.
    pthread_attr_setstacksize(&attributes_, kLaneStackBytes);
    if (options.real_time_priority) {
      const sched_param parameters = at_priority(*options.real_time_priority);
      pthread_attr_setinheritsched(&attributes_, PTHREAD_EXPLICIT_SCHED);
      pthread_attr_setschedpolicy(&attributes_, SCHED_FIFO);
      pthread_attr_setschedparam(&attributes_, &parameters);
    }
  }
  ~Attributes() { pthread_attr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;

  // Returns 0 or an errno: it allocates.
  int set_cpus(const std::vector<unsigned>& cpus) {
    const CpuSet set(cpus);
    return pthread_attr_setaffinity_np(&attributes_, set.bytes(), set.get());
  }

  const pthread_attr_t* get() const noexcept { return &attributes_; }

 private:
  pthread_attr_t attributes_;
};

}  // namespace

Lane::Lane(LaneOptions options, std::vector<Step*> steps, WaitPlace& place)
    : options_(std::move(options)), steps_(std::move(steps)), place_(place) {}

Lane::~Lane() {
  invariant(!thread_, "a lane is joined before it goes");
}

// Passes attributes, so that the thread never runs on another CPU or in another class than its own,
// and the caller learns before the thread runs whether something is not allowed.
void Lane::start() {
  pthread_t thread{};
  const auto create = [&](bool with_cpus) {
    Attributes attributes(options_);
    const int error = with_cpus ? attributes.set_cpus(options_.cpus) : 0;
    return error != 0 ? error : pthread_create(&thread, attributes.get(), enter, this);
  };
  const bool with_cpus = !options_.cpus.empty();
  int error = create(with_cpus);
  // The process may use none of these CPUs: the lane gets those of the thread that starts it.
  if (error == EINVAL && with_cpus) error = create(false);
  if (error != 0)
    throw std::system_error(error, std::generic_category(), "thread " + options_.name);
  thread_ = thread;
  // Named here so that others see the name once start() returns, and in enter() for the steps.
  pthread_setname_np(thread, options_.name.c_str());
}

void Lane::run_here() {
  const auto apply = [this](int error) {
    if (error != 0)
      throw std::system_error(error, std::generic_category(), "thread " + options_.name);
  };
  if (!options_.cpus.empty()) {
    const CpuSet set(options_.cpus);
    const int error = pthread_setaffinity_np(pthread_self(), set.bytes(), set.get());
    if (error != EINVAL) apply(error);  // EINVAL: it may use none of them, and keeps those it has
  }
  if (options_.real_time_priority) {
    const sched_param parameters = at_priority(*options_.real_time_priority);
    apply(pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters));
  }
  run();
}

bool Lane::join(Deadline deadline) {
  if (!thread_) return true;
  if (ended_.take(1, 1, deadline).status != TakeStatus::taken) return false;
  pthread_join(*thread_, nullptr);
  thread_.reset();
  return true;
}

void* Lane::enter(void* lane) noexcept {
  auto& self = *static_cast<Lane*>(lane);
  pthread_setname_np(pthread_self(), self.options_.name.c_str());
  self.run();
  self.ended_.post(1);
  return nullptr;
}

void Lane::run() noexcept {
  AwakeLanes* const awake = options_.awake;
  LaneProgress* const progress = options_.progress;
  Spin spin(awake != nullptr ? options_.spin_ns : 0);
  if (awake != nullptr) awake->note_awake(options_.number);
  if (progress != nullptr) progress->waits(false);
  for (;;) {
    RunResult round;
    if (progress != nullptr) progress->round();
    for (Step* step : steps_) round.add(step->run());
    if (round.moved > 0) spin.worked();
    if (round.next == Next::again) continue;
    if (round.next < Next::again && awake != nullptr && spin.look_again(*awake)) continue;
    for (Step* step : steps_) step->before_wait();
    if (!wait(round)) break;
    spin.slept();
  }
  if (awake != nullptr) awake->note_asleep(options_.number);
}

bool Lane::wait(const RunResult& round) noexcept {
  LaneProgress* const progress = options_.progress;
  AwakeLanes* const awake = options_.awake;
  if (progress != nullptr) progress->waits(true);
  if (awake != nullptr) awake->note_asleep(options_.number);
  const bool go_on = place_.wait(round);
  if (awake != nullptr) awake->note_awake(options_.number);
  if (progress != nullptr) progress->waits(!go_on);
  return go_on;
}

}  // namespace cpss
