// A mutex between threads of different classes: its holder runs at the priority of the most urgent
// thread that waits for it (PTHREAD_PRIO_INHERIT, pthread_mutexattr_setprotocol(3p)), so that no
// thread of a class in between keeps a real-time lane waiting. A thread that the holder itself
// waits for inherits nothing, except by another such mutex.
//
// On a kernel without such futexes it is an ordinary mutex. For std::lock_guard and
// std::unique_lock.
#pragma once

#include <pthread.h>

namespace cpss {

class PriorityMutex {
 public:
  PriorityMutex() noexcept {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    if (pthread_mutex_init(&mutex_, &attributes) != 0) pthread_mutex_init(&mutex_, nullptr);
    pthread_mutexattr_destroy(&attributes);
  }
  ~PriorityMutex() { pthread_mutex_destroy(&mutex_); }
  PriorityMutex(const PriorityMutex&) = delete;
  PriorityMutex& operator=(const PriorityMutex&) = delete;

  // Cannot fail: not robust, and never locked twice by a thread.
  void lock() noexcept { pthread_mutex_lock(&mutex_); }
  bool try_lock() noexcept { return pthread_mutex_trylock(&mutex_) == 0; }
  void unlock() noexcept { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

}  // namespace cpss
