#include "server/processes/data_channel.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/detached_thread.h"
#include "base/passed_descriptor.h"
#include "queue/semaphore.h"

namespace cpss {
namespace {

// Between tries to adopt data, if there is no memory for them.
constexpr std::chrono::milliseconds kTryAgain{200};
// Between looks whether the lane still reads the old ones.
constexpr std::chrono::milliseconds kBetweenLooks{10};

std::uint64_t number_in(const std::string& text) noexcept {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

FileDescriptor DataSender::renew(std::uint64_t generation) {
  std::array<int, 2> ends;
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair");
  socket_ = FileDescriptor(ends[0]);
  ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
  generation_ = generation;
  waits_ = false;
  return FileDescriptor(ends[1]);
}

void DataSender::tick(const ReloadableData& newest) {
  if (waits_) {
    const std::optional<Passed> answer = take_passed(socket_.get());
    if (!answer) return;
    waits_ = false;
    generation_ = number_in(answer->text);
  }
  if (generation_ < newest.generation())
    waits_ = pass(socket_.get(), std::to_string(newest.generation()), newest.descriptor());
}

struct DataReceiver::Shared {
  FileDescriptor socket;
  ReloadableData& data;
  std::uint64_t generation = 0;
  Semaphore over = Semaphore();

  void run() {
    while (const std::optional<Passed> passed = take_passed(socket.get())) {
      if (passed->descriptor.valid() && !adopt(passed->descriptor)) break;
      // Without a descriptor there was no place for it here: main sends it again.
      if (passed->descriptor.valid()) generation = number_in(passed->text);
      if (!pass(socket.get(), std::to_string(generation))) break;
    }
    over.post(1);
  }

  // Returns when the old data are freed. False: the process ends.
  bool adopt(const FileDescriptor& passed) {
    while (!tried(passed))
      if (ends_within(kTryAgain)) return false;
    while (data.reclaim() > 0)
      if (ends_within(kBetweenLooks)) return false;
    return true;
  }

  bool tried(const FileDescriptor& passed) {
    try {
      FileDescriptor copy(::fcntl(passed.get(), F_DUPFD_CLOEXEC, 0));
      if (!copy.valid()) return false;
      data.adopt(std::move(copy));
      return true;
    } catch (const std::exception&) {
      return false;  // no memory; getstat shows that main waits for this lane
    }
  }

  bool ends_within(std::chrono::milliseconds time) const noexcept {
    pollfd end{socket.get(), POLLRDHUP, 0};
    return ::poll(&end, 1, static_cast<int>(time.count())) > 0;
  }
};

DataReceiver::DataReceiver(FileDescriptor socket, ReloadableData& data)
    : shared_(new Shared{std::move(socket), data}) {
  const int error = start_detached_thread("data", [shared = shared_] { shared->run(); });
  if (error != 0) throw std::system_error(error, std::generic_category(), "thread for new data");
}

DataReceiver::~DataReceiver() {
  ::shutdown(shared_->socket.get(), SHUT_RDWR);
  shared_->over.take(1, 1);
}

}  // namespace cpss
