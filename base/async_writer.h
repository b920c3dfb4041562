// Writes texts to a descriptor that may not take them: a pipe that no process reads, a stopped
// terminal, a disk that hangs. A thread of its own does the writing, so that no other thread waits.
// The descriptor's file status flags stay as they are: O_NONBLOCK belongs to the open file
// description, which a log shares with the shell and everything else that the shell started
// (open(2)). (spdlog's own asynchronous mode joins its thread at exit, which a full pipe holds for
// ever, and drops the oldest lines without a word.)
//
// Texts wait in a queue of fixed capacity. A text that finds it full is dropped and counted, never
// an older one, and so are those that follow until half of the queue is free and the owner has
// asked for losses (take_losses()): so the output has gaps in few places, and a line says where.
// While the descriptor refuses its texts (a pipe without a reader), the thread still tries each
// further one: the first that the descriptor takes shows that it is over.
//
// Thread-safety: one thread, the owner, calls all functions. In a process made by fork(2) the
// object has no thread: texts put there are lost, and only flush() waits for them.
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
  // Does not wait: the thread ends by itself once the descriptor has taken the text it is writing.
  ~AsyncWriter();
  AsyncWriter(const AsyncWriter&) = delete;
  AsyncWriter& operator=(const AsyncWriter&) = delete;

  // Never waits. Returns false if the text was dropped, and counted. Each text is one write(2), as
  // far as the descriptor takes it whole. Throws std::bad_alloc.
  bool put(const std::string& text);

  // Lets a new thread write from now on. It has the rights of the caller (credentials and
  // capabilities are a thread's own). The old thread ends once the descriptor has taken the text
  // that it is writing, if any; until then the new thread waits, so that texts keep their order.
  // Does not wait. Throws as the constructor, and then nothing has changed.
  void change_thread(const char* name);

  // Whether all texts have been written, or refused by the descriptor.
  bool idle() const noexcept;
  // Waits until idle(), at most `longest`. Returns whether it is idle.
  bool flush(std::chrono::milliseconds longest) const noexcept;

  // Texts that were not written since the start: dropped, or refused by the descriptor (EPIPE,
  // ENOSPC, EIO).
  std::uint64_t lost() const noexcept;
  // Returns how many texts were lost since the last call that returned some. Returns 0 until a line
  // about them would be written: half of the queue is free, and the descriptor has taken the last
  // text.
  std::uint64_t take_losses() noexcept;
  // Why the descriptor has refused the last text (errno); 0: it was taken.
  int refusal() const noexcept;

 private:
  struct Shared;
  void start_thread(const char* name, unsigned number);

  std::shared_ptr<Shared> shared_;
  std::uint64_t dropped_ = 0;
  std::uint64_t told_ = 0;  // losses that take_losses() has returned
  bool gap_ = false;        // a text was dropped, and the owner has not asked since
};

}  // namespace cpss
