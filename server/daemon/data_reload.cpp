#include "server/daemon/data_reload.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <functional>
#include <new>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exit_codes.h"
#include "base/passed_descriptor.h"
#include "server/daemon/log.h"
#include "server/daemon/machine.h"
#include "stats/format_count.h"
#include "stats/machine_clock.h"

namespace cpss {
namespace {

constexpr std::size_t kMaxOld = 2;  // older data that lanes may keep before a reload waits
constexpr int kLowestPriority = 19;

void be_the_first_to_be_killed() noexcept {
  const FileDescriptor file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  constexpr std::string_view kMost = "1000";
  // Without it the kernel chooses by size alone: no reason not to reload.
  if (file.valid() && ::write(file.get(), kMost.data(), kMost.size()) < 0) return;
}

// Beside what this process has already: a copy of the server's, and more of it than is in use.
void limit_memory_to(std::uint64_t bytes) noexcept {
  rlimit limit{};
  const std::uint64_t mapped = mapped_memory();
  if (mapped == 0 || ::getrlimit(RLIMIT_AS, &limit) != 0) return;
  const std::uint64_t most = bytes < RLIM_INFINITY - mapped ? mapped + bytes : RLIM_INFINITY;
  limit.rlim_cur = std::min<rlim_t>(most, limit.rlim_max);
  ::setrlimit(RLIMIT_AS, &limit);
}

}  // namespace

DataReload::DataReload(Source source, StatsRegion& region)
    : source_(std::move(source)), data_(source_.data), region_(region) {
  if (data_ == nullptr) return;
  note_new_data(source_.load_time);
  first_bytes_ = state_.bytes;
  show();
}

bool DataReload::request() {
  if (data_ == nullptr || !data_->can_be_loaded_again()) {
    log::info("Hangup: there are no data that could be loaded anew");
    return false;
  }
  if (under_way()) log::info("Hangup: the data are being loaded; once more behind that");
  wanted_ = true;
  return true;
}

bool DataReload::tick(const OlderData& elsewhere) {
  if (data_ == nullptr) return false;
  note_older(elsewhere);
  const bool was_under_way = under_way();
  show();
  if (under_way()) take_answer();
  if (under_way() || !wanted_) return was_under_way && !under_way();
  if (state_.older >= kMaxOld) {
    if (!std::exchange(told_of_old_, true))
      log::warning(fmt::format("reload: waits, because lane {} still reads data of two reloads ago",
                               state_.keeper));
    return false;
  }
  told_of_old_ = false;
  wanted_ = false;
  begin();
  return !under_way();
}

void DataReload::note_new_data(std::chrono::nanoseconds load_time) {
  const DataFigures figures = data_->figures();
  state_.generation = data_->generation();
  state_.rows = figures.rows;
  state_.values = figures.values;
  state_.bytes = figures.bytes;
  state_.serial = figures.serial;
  state_.source = figures.source;
  state_.load_ns = static_cast<std::uint64_t>(load_time.count());
  state_.loaded_ns = machine_ns();
}

void DataReload::note_older(const OlderData& elsewhere) {
  const std::size_t here = data_->reclaim();
  const std::optional<std::size_t> keeper = data_->keeper();
  state_.older = std::max(here, elsewhere.generations);
  state_.keeper =
      keeper && *keeper < source_.lanes.size() ? source_.lanes[*keeper] : elsewhere.lane;
}

void DataReload::fail(const std::string& why) {
  ++state_.failures;
  state_.failed_ns = machine_ns();
  state_.error = why;
  show();  // first: who reads the log finds it there
  const bool lines = why.find('\n') != std::string::npos;
  log::error(
      fmt::format("reload: failed, the data stay as they are:{}{}", lines ? '\n' : ' ', why));
}

void DataReload::show() {
  if (state_ == shown_) return;
  region_.set_data(state_);
  shown_ = state_;
}

void DataReload::begin() {
  std::array<int, 2> ends;
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    fail(std::strerror(errno));
    return;
  }
  answer_ = FileDescriptor(ends[0]);
  const FileDescriptor childs(ends[1]);
  begin_ = std::chrono::steady_clock::now();
  const pid_t parent = ::getpid();
  child_ = ::fork();
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) _exit(kExitInternal);
    run_child(childs.get());
  }
  if (child_ > 0) {
    log::info("reload: loading the data");
    return;
  }
  child_ = 0;
  fail(fmt::format("no process can be started: {}", std::strerror(errno)));
}

std::uint64_t DataReload::memory_left() const {
  // Which ones are still read is not known: the largest ones may be.
  std::vector<std::uint64_t> older = older_bytes_;
  std::ranges::sort(older, std::greater{});
  older.resize(std::min<std::size_t>(older.size(), state_.older));
  const std::uint64_t now = std::reduce(older.begin(), older.end(), state_.bytes);
  const std::uint64_t whole = *source_.memory_left + first_bytes_;
  return whole > now ? whole - now : 0;
}

// Only what a copy of one thread of many may do (fork(2)): no lock of ours is taken, and malloc is
// one of the things that glibc keeps in order.
void DataReload::run_child(int answer) const noexcept {
  ::prctl(PR_SET_NAME, "reload");
  be_the_first_to_be_killed();
  ::setpriority(PRIO_PROCESS, 0, kLowestPriority);
  if (source_.memory_left) limit_memory_to(memory_left());
  try {
    const FileDescriptor prepared = data_->prepare();
    // Main reads the text where it had no place for a descriptor.
    pass(answer, "the server has no descriptor left for them (ulimit -n)", prepared.get());
  } catch (const std::bad_alloc&) {
    pass(answer, "there is too little memory for new data beside those in use");
  } catch (const std::exception& error) {
    const std::string_view why = error.what();
    pass(answer, why.empty() ? "no reason is known" : why);
  }
  _exit(kExitOk);
}

void DataReload::take_answer() {
  std::optional<Passed> answer = take_passed(answer_.get(), MSG_DONTWAIT);
  if (!answer && errno == EAGAIN) return;
  if (!answer)
    child_died();
  else if (answer->descriptor.valid())
    adopt(std::move(answer->descriptor));
  else
    fail(answer->text);
  cancel();
}

void DataReload::adopt(FileDescriptor prepared) {
  try {
    data_->adopt(std::move(prepared));
    if (state_.older == 0) older_bytes_.clear();
    older_bytes_.push_back(state_.bytes);
    // At once, where no lane of this process reads them: a process that is forked before the next
    // look would keep them.
    data_->reclaim();
    const auto took = std::chrono::steady_clock::now() - begin_;
    note_new_data(took);
    ++state_.older;  // until the next look: those of before may still be read
    show();
    log::info(fmt::format(
        "reload: {}, loaded in {} ms: generation {}, {} rows, {} values, {}, serial {}",
        data_->description(), std::chrono::duration_cast<std::chrono::milliseconds>(took).count(),
        state_.generation, format_count(state_.rows), format_count(state_.values),
        format_bytes(state_.bytes), state_.serial));
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

void DataReload::child_died() {
  int status = 0;
  std::string how = "it ended without a word";
  if (::waitpid(child_, &status, 0) == child_) {
    if (WIFSIGNALED(status)) how = fmt::format("it was ended by '{}'", strsignal(WTERMSIG(status)));
    child_ = 0;
  }
  fail(fmt::format("the process that loaded them did not finish: {}", how));
}

void DataReload::cancel() noexcept {
  answer_ = FileDescriptor();
  if (child_ == 0) return;
  ::kill(child_, SIGKILL);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  child_ = 0;
}

}  // namespace cpss
