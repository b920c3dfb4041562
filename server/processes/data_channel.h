// How a process that serves gets the data that main has loaded anew (server/daemon/data_reload.h):
//
//   main: DataSender ── generation, descriptor ──► a thread of the process: DataReceiver ─► adopt()
//                    ◄── the generation it has ──
//
// Main sends one at a time, always the newest, and none before the process has answered: then it
// has that generation, and nothing older. A process begins with the data that main has when it
// starts it. The thread maps the data and frees the old ones; the lane, which serves, waits for
// nothing, and does not have to wake.
#pragma once

#include <cstdint>
#include <memory>

#include "base/file_descriptor.h"
#include "services/reloadable_data.h"

namespace cpss {

// Main's end, for the processes of one place, one after the other. Main thread.
class DataSender {
 public:
  // For a process that main is about to start, which has generation `generation`. Returns the
  // process's end; throws std::system_error.
  FileDescriptor renew(std::uint64_t generation);
  // Takes the answer, and sends the newest data if the process can take them. Waits for nothing: to
  // be called several times a second.
  void tick(const ReloadableData& newest);
  // Of the process, as far as its answers tell.
  std::uint64_t generation() const noexcept { return generation_; }

 private:
  FileDescriptor socket_;
  std::uint64_t generation_ = 0;
  bool waits_ = false;  // for an answer
};

// Sanitizers do not follow a thread that is started in a process which one with several threads has
// forked: ThreadSanitizer ends it, and AddressSanitizer's allocator may wait for ever for a lock
// that another thread held at the fork. In such builds processes keep the data that they begin
// with.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kProcessesTakeNewData = false;
#else
inline constexpr bool kProcessesTakeNewData = true;
#endif

// The process's end. Made before its lane runs; destroyed when the lane runs no more, but before
// its LaneState: until then the thread uses `data`.
class DataReceiver {
 public:
  // Throws std::system_error.
  DataReceiver(FileDescriptor socket, ReloadableData& data);
  ~DataReceiver();
  DataReceiver(const DataReceiver&) = delete;
  DataReceiver& operator=(const DataReceiver&) = delete;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // with the thread
};

}  // namespace cpss
