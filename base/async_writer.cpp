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

// The owner puts texts, the thread writes them; the last of the two to let go frees this object.
// After a change of thread several threads may exist. Only the one that `turn` names takes texts
// and writes, so the queue has one consumer; once there is a newer thread it passes the turn to the
// next one, and ends. So each thread has its turn, one that starts late as well: none stays behind
// with rights that the owner has given up.
struct AsyncWriter::Shared {
  Shared(int where, std::size_t max) : descriptor(where), capacity(max), texts(max) {}

  const int descriptor;
  const std::size_t capacity;
  // The thread removes a text after writing it, so an empty queue means that all are written.
  boost::lockfree::spsc_queue<std::string> texts;
  Semaphore work;  // a token for each text and for a new `newest`; closed at the end
  std::atomic<unsigned> newest{0};  // the number of the thread that is to write
  // The number of the thread that may take and write. Stored (release) by that thread as its last
  // act, and waited for (acquire) by the next one.
  std::atomic<unsigned> turn{0};
  // Written by the holder of `turn` alone. Relaxed: counts that order nothing else.
  std::atomic<std::uint64_t> refused{0};
  std::atomic<int> refusal{0};

  void write_what_comes(unsigned thread) noexcept;  // the thread with that number
  void wait_for_turn(unsigned thread) noexcept;
  void write_one() noexcept;
};

namespace {

// Waits as long as it takes. Returns why the descriptor refused the rest (errno), or 0.
int write_all(int descriptor, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      // Another process has set O_NONBLOCK on the open file description that we share.
      pollfd room{descriptor, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

// Looks for texts before it waits for a token: the previous thread may have taken the tokens of
// texts that are still in the queue.
void AsyncWriter::Shared::write_what_comes(unsigned thread) noexcept {
  const auto is_outdated = [&] { return newest.load(std::memory_order_relaxed) > thread; };
  wait_for_turn(thread);
  do {
    while (!is_outdated() && texts.read_available() > 0) write_one();
  } while (!is_outdated() && work.take(Semaphore::kMaxValue).status == TakeStatus::taken);
  turn.store(thread + 1, std::memory_order_release);
  turn.notify_all();
}

void AsyncWriter::Shared::wait_for_turn(unsigned thread) noexcept {
  for (unsigned whose; (whose = turn.load(std::memory_order_acquire)) != thread;)
    turn.wait(whose, std::memory_order_acquire);
}

void AsyncWriter::Shared::write_one() noexcept {
  const int why = write_all(descriptor, texts.front());
  if (why != 0) refused.fetch_add(1, std::memory_order_relaxed);
  refusal.store(why, std::memory_order_relaxed);
  texts.pop();
}

AsyncWriter::AsyncWriter(int descriptor, const char* name, std::size_t capacity)
    : shared_(std::make_shared<Shared>(descriptor, capacity)) {
  start_thread(name, 0);
}

void AsyncWriter::change_thread(const char* name) {
  const unsigned next = shared_->newest.load(std::memory_order_relaxed) + 1;
  start_thread(name, next);
  shared_->newest.store(next, std::memory_order_relaxed);
  shared_->work.post(1);  // its release orders the store before it
}

void AsyncWriter::start_thread(const char* name, unsigned number) {
  const int error =
      start_detached_thread(name, [own = shared_, number] { own->write_what_comes(number); });
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
  if (shared_->texts.write_available() < shared_->capacity / 2) return 0;
  gap_ = false;  // also after a refusal: only a further text can show that it is over
  if (refusal() != 0) return 0;
  const std::uint64_t lost_now = lost();
  return lost_now - std::exchange(told_, lost_now);
}

int AsyncWriter::refusal() const noexcept {
  return shared_->refusal.load(std::memory_order_relaxed);
}

}  // namespace cpss
