// A value that a thread of its own reads, one reading at a time: for readings that the kernel may
// let wait, while the main thread must not.
//
// The first reading starts the thread. It touches nothing but the part that it shares with this
// object, and the destructor does not wait for it.
//
// Used by one thread. Forked processes do not have the reading thread: there no reading ends.
#pragma once

#include <cerrno>
#include <functional>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "base/detached_thread.h"
#include "queue/semaphore.h"

namespace cpss {

template <typename Value>
class BackgroundReading {
 public:
  // `thread`: the name of the reading thread (base/detached_thread.h), which alone calls `read`.
  // `read` throws std::system_error if there is nothing to be read, or std::bad_alloc.
  BackgroundReading(const char* thread, std::function<Value()> read)
      : thread_(thread), shared_(std::make_shared<Shared>()) {
    shared_->read = std::move(read);
  }
  ~BackgroundReading() { shared_->asked.close(); }
  BackgroundReading(const BackgroundReading&) = delete;
  BackgroundReading& operator=(const BackgroundReading&) = delete;

  // Begins a reading; must not be called while one is under way. Never waits. Returns 0, or why no
  // thread could be started (pthread_create(3)).
  int begin() noexcept {
    if (const int error = started_ ? 0 : start(); error != 0) return error;
    started_ = under_way_ = true;
    shared_->asked.post(1);
    return 0;
  }
  // A reading has begun and was not collected.
  bool under_way() const noexcept { return under_way_; }
  // Whether the reading that was under way has ended since the last call. Never waits.
  bool collect() noexcept {
    if (!under_way_ || shared_->answered.try_take(1) == 0) return false;
    under_way_ = false;
    return true;
  }

  // The result of the reading collected last; not to be used while another one is under way.
  // error(): an errno, or 0, and then value(), which may be moved from.
  int error() const noexcept { return shared_->error; }
  Value& value() noexcept { return shared_->value; }

 private:
  // `value` and `error` belong to the thread from its token of `asked` until its token of
  // `answered`, otherwise to the owner of this object: the semaphores order the hand-over.
  struct Shared {
    std::function<Value()> read;
    Value value{};
    int error = 0;
    Semaphore asked;  // closed: the thread ends
    Semaphore answered;

    // Runs in the thread.
    void answer_all() noexcept {
      while (asked.take(1).status == TakeStatus::taken) {
        answer();
        answered.post(1);
      }
    }
    void answer() noexcept {
      try {
        value = read();
        error = 0;
      } catch (const std::system_error& failure) {
        error = failure.code().value();
      } catch (...) {
        error = ENOMEM;
      }
    }
  };

  int start() noexcept {
    try {
      return start_detached_thread(thread_, [own = shared_] { own->answer_all(); });
    } catch (const std::bad_alloc&) {
      return ENOMEM;
    }
  }

  const char* thread_;
  std::shared_ptr<Shared> shared_;
  bool started_ = false;
  bool under_way_ = false;
};

}  // namespace cpss
