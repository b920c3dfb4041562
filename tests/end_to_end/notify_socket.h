// A service manager's end of NOTIFY_SOCKET, where servers report their state.
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
  // The oldest message that was not heard yet; nullopt if none comes within `longest`.
  std::optional<std::string> hear(
      std::chrono::milliseconds longest = std::chrono::seconds(20)) const;
  // Whether a message from now on begins with `beginning`; waits for it, at most `longest`.
  bool hears(const std::string& beginning,
             std::chrono::milliseconds longest = std::chrono::seconds(20)) const;
  // Fills the socket's queue with empty messages; returns their number.
  std::size_t fill() const;
  // Discards all messages until now.
  void forget() const;

 private:
  TemporaryFolder folder_;
  const std::string path_ = folder_.file("notify");
  FileDescriptor socket_;
};

}  // namespace cpss
