#include "tools/udpblast/loop.h"

#include <chrono>
#include <cstring>
#include <thread>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/quote.h"
#include "tools/udpblast/difference.h"

namespace cpss::udpblast {
namespace {

std::uint64_t to_ns(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_usec) * 1'000;
}

CpuTime thread_cpu() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return {to_ns(usage.ru_utime), to_ns(usage.ru_stime)};
}

}  // namespace

void Loop::run(std::uint64_t start_ns) {
  // Otherwise the kernel ends waits up to 50 us late, so as to end several together.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  start_ns_ = last_heard_ns_ = last_sent_ns_ = start_ns;
  const CpuTime before = thread_cpu();
  work();
  const CpuTime after = thread_cpu();
  cpu_ = {after.user_ns - before.user_ns, after.system_ns - before.system_ns};
}

std::span<const std::uint32_t> Loop::wait(std::uint64_t now_ns, std::uint64_t until_ns) {
  tally_.add(Count::wait_calls);
  const std::span<const std::uint32_t> ready = wait_.wait(now_ns, until_ns);
  if (wait_.error() != 0) receive_failed(wait_.error(), "waiting for the socket: ");
  return ready;
}

void Loop::receive_failed(int error, const char* call) {
  tally_.add(Count::receive_errors);
  findings_.note(Fault::receive_error, monotonic_ns(),
                 [&] { return fmt::format("{}{}", call, std::strerror(error)); });
  std::this_thread::sleep_for(std::chrono::nanoseconds(kRetryNs));
}

std::string Loop::identify(std::uint64_t message, std::uint64_t transaction) const {
  const std::string description = workload_.describe(message);
  return fmt::format("message {}{}{}, transaction 0x{:016x}", message + 1,
                     description.empty() ? "" : ", ", description, transaction);
}

std::string Loop::in_words(std::span<const std::byte> datagram) {
  return fmt::format(
      "{} bytes: {}", datagram.size(),
      in_quotes({reinterpret_cast<const char*>(datagram.data()), datagram.size()}, kQuotedBytes));
}

}  // namespace cpss::udpblast
