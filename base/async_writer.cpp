#include "base/async_writer.h"

#include <atomic>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/lockfree/spsc_queue.hpp>
#include <poll.h>
#include <unistd.h>

#include "base/detached_thread.h"
#include "queue/semaphore.h"

namespace cpss {

// The owner puts, the thread takes; whichever goes last frees it.
struct AsyncWriter::Shared {
  Shared(int where, std::size_t most) : descriptor(where), capacity(most), texts(most) {}

  const int descriptor;
  const std::size_t capacity;
  // A text is taken out when it has been written, so an empty queue says that all have been.
  boost::lockfree::spsc_queue<std::string> texts;
  Semaphore work;  // a token for each text, or closed
  // One writer, the thread; relaxed: figures that stand for nothing else.
  std::atomic<std::uint64_t> refused{0};
  std::atomic<int> refusal{0};

  void write_what_comes() noexcept;  // the thread
};

namespace {

// Waits as long as it takes. Why the descriptor has refused the rest (errno), or 0.
int write_all(int descriptor, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      // Others have set O_NONBLOCK on what they share with us.
      pollfd room{descriptor, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// For what the old thread has yet to write, so that the lines keep their order.
constexpr std::chrono::milliseconds kBeforeChange{100};

}  // namespace

void AsyncWriter::Shared::write_what_comes() noexcept {
  while (work.take(Semaphore::kMaxValue).status == TakeStatus::taken) {
    while (texts.read_available() > 0) {
      const int why = write_all(descriptor, texts.front());
      if (why != 0) refused.fetch_add(1, std::memory_order_relaxed);
      refusal.store(why, std::memory_order_relaxed);
      texts.pop();
    }
  }
}

AsyncWriter::AsyncWriter(int descriptor, const char* name, std::size_t capacity)
    : shared_(std::make_shared<Shared>(descriptor, capacity)) {
  start_thread(shared_, name);
}

void AsyncWriter::change_thread(const char* name) {
  auto shared = std::make_shared<Shared>(shared_->descriptor, shared_->capacity);
  start_thread(shared, name);
  flush(kBeforeChange);
  dropped_ += shared_->refused.load(std::memory_order_relaxed);
  std::exchange(shared_, std::move(shared))->work.close();
}

void AsyncWriter::start_thread(const std::shared_ptr<Shared>& shared, const char* name) {
  const int error = start_detached_thread(name, [shared] { shared->write_what_comes(); });
  if (error != 0)
    throw std::system_error(error, std::generic_category(), std::string("thread ") + name);
}

AsyncWriter::~AsyncWriter() {
  shared_->work.close();
}

bool AsyncWriter::put(const std::string& text) {
  if (gap_ || !shared_->texts.push(text)) {
    gap_ = true;
    ++dropped_;
    return false;
  }
  shared_->work.post(1);
  return true;
}

bool AsyncWriter::idle() const noexcept {
  return shared_->texts.write_available() == shared_->capacity;
}

bool AsyncWriter::flush(std::chrono::milliseconds longest) const noexcept {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  while (!idle()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

std::uint64_t AsyncWriter::lost() const noexcept {
  return dropped_ + shared_->refused.load(std::memory_order_relaxed);
}

std::uint64_t AsyncWriter::take_losses() noexcept {
  if (refusal() != 0 || shared_->texts.write_available() < shared_->capacity / 2) return 0;
  gap_ = false;
  const std::uint64_t lost_now = lost();
  return lost_now - std::exchange(told_, lost_now);
}

int AsyncWriter::refusal() const noexcept {
  return shared_->refusal.load(std::memory_order_relaxed);
}

}  // namespace cpss
