// Writes texts to a descriptor that may not take them: a pipe that nobody reads, a terminal that is
// stopped, a disk that hangs. A thread of its own does the writing, so that it alone waits. The
// descriptor's file status flags stay as they are: O_NONBLOCK belongs to the open file description,
// which a log shares with the shell and with whatever else was started from there (open(2)).
// (spdlog's own asynchronous mode joins its thread at exit, which a full pipe holds for ever, and
// drops the oldest lines without a word.)
//
// Texts wait in a queue of fixed capacity. A text that finds it full is dropped and counted, never
// an older one, and so are those that follow until half of the queue is free and the owner has
// asked for losses (take_losses()): what is written has gaps in few places, and a line says where.
// While the descriptor refuses what it is given (a pipe without a reader), each further text is
// tried all the same: the first one that is taken shows that it is over.
//
// Thread-safety: all functions by the owner, one thread. A process made by fork(2) has the object
// without the thread: there texts are lost, and nothing waits for them but flush().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace cpss {

class AsyncWriter {
 public:
  static constexpr std::size_t kCapacity = 1024;  // texts

  // Starts the thread, called `name` (base/detached_thread.h).
  // `descriptor` stays open until the process ends, or the writer is idle and destroyed. Throws
  // std::bad_alloc, std::system_error.
  AsyncWriter(int descriptor, const char* name, std::size_t capacity = kCapacity);
  // Does not wait: the thread ends by itself once the descriptor takes what it has in hand.
  ~AsyncWriter();
  AsyncWriter(const AsyncWriter&) = delete;
  AsyncWriter& operator=(const AsyncWriter&) = delete;

  // Never waits. False: dropped, and counted. One text is one write(2), as far as the descriptor
  // takes it whole. Throws std::bad_alloc.
  bool put(const std::string& text);

  // Lets a new thread write from now on. It has the rights of the caller (credentials and
  // capabilities are a thread's own); the old one ends, once the descriptor has taken the text that
  // it has in hand, if there is one. Until then the new one waits, so that texts keep their order.
  // Does not wait. Throws as the constructor, and then nothing has changed.
  void change_thread(const char* name);

  // All that was put has been written, or refused by the descriptor.
  bool idle() const noexcept;
  // Waits until idle(), at most `longest`; whether it is.
  bool flush(std::chrono::milliseconds longest) const noexcept;

  // Texts that were not written since the start: dropped, or refused by the descriptor (EPIPE,
  // ENOSPC, EIO).
  std::uint64_t lost() const noexcept;
  // How many were lost since the last call that said so, once a line about them would be written:
  // half of the queue is free, and the descriptor has taken the last text. Else 0.
  std::uint64_t take_losses() noexcept;
  // Why the descriptor has refused the last text (errno); 0: it was taken.
  int refusal() const noexcept;

 private:
  struct Shared;
  void start_thread(const char* name, unsigned number);

  std::shared_ptr<Shared> shared_;
  std::uint64_t dropped_ = 0;
  std::uint64_t told_ = 0;  // of lost()
  bool gap_ = false;        // something was dropped, and the owner has not asked since
};

}  // namespace cpss
