// A descriptor that goes from one process to another, beside a short text, as one datagram of a
// Unix socket (SCM_RIGHTS, unix(7)).
//
// Any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"

namespace cpss {

inline constexpr std::size_t kMaxPassedText = 60'000;  // bytes; longer texts are cut

// `descriptor`: -1: none. False, with errno: nothing was sent (the other end is closed, has no
// room for more, or too many descriptors are on their way). Waits only if the socket does.
bool pass(int socket, std::string_view text, int descriptor = -1) noexcept;

struct Passed {
  std::string text;
  FileDescriptor descriptor;  // invalid: none was sent, or none could be opened here
};
// Nothing, with errno 0: the other end is closed, or has sent nothing at all; or with the errno of
// recvmsg(2). `flags`: of that.
std::optional<Passed> take_passed(int socket, int flags = 0);

}  // namespace cpss
