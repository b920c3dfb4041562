// A service manager's end of NOTIFY_SOCKET: what servers tell it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/file_descriptor.h"
#include "tests/support/temporary_folder.h"

namespace cpss {

class NotifySocket {
 public:
  NotifySocket();  // throws std::system_error

  const std::string& path() const noexcept { return path_; }
  // The oldest message that was not heard yet; nothing if none comes in time.
  std::optional<std::string> hear(
      std::chrono::milliseconds longest = std::chrono::seconds(20)) const;
  // Whether the first message from now on, or one after it, begins like that.
  bool hears(const std::string& beginning,
             std::chrono::milliseconds longest = std::chrono::seconds(20)) const;
  // Fills its queue with empty messages; returns how many.
  std::size_t fill() const;
  // All that was told until now.
  void forget() const;

 private:
  TemporaryFolder folder_;
  const std::string path_ = folder_.file("notify");
  FileDescriptor socket_;
};

}  // namespace cpss
