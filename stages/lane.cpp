#include "stages/lane.h"

#include <system_error>

#include <pthread.h>
#include <sched.h>

namespace cpss {

Lane::Lane(LaneOptions options, std::vector<Step*> steps, WaitPlace& place)
    : options_(std::move(options)), steps_(std::move(steps)), place_(place) {}

Lane::~Lane() {
  invariant(!thread_.joinable(), "a lane is joined before it goes");
}

void Lane::start() {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), "thread " + options_.name);
  }
  pthread_setname_np(thread_.native_handle(), options_.name.c_str());
  if (options_.cpus.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned cpu : options_.cpus) CPU_SET(cpu, &set);
  if (const int error = pthread_setaffinity_np(thread_.native_handle(), sizeof set, &set);
      error != 0)
    throw std::system_error(error, std::generic_category(), "CPUs of " + options_.name);
}

bool Lane::join(Deadline deadline) {
  if (!thread_.joinable()) return true;
  if (ended_.take(1, 1, deadline).status != TakeStatus::taken) return false;
  thread_.join();
  return true;
}

void Lane::run() noexcept {
  for (;;) {
    std::size_t done = 0;
    for (Step* step : steps_) done += step->run();
    if (done > 0) continue;
    for (Step* step : steps_) step->before_wait();
    if (!place_.wait()) break;
  }
  ended_.post(1);
}

}  // namespace cpss
