#include "tools/udpblast/say.h"

#include <cstdint>
#include <exception>

#include <fmt/format.h>

#include "base/standard_error.h"

namespace cpss::udpblast {

void say(const std::string& text) noexcept {
  try {
    AsyncWriter& writer = standard_error();
    if (const std::uint64_t lost = writer.take_losses(); lost > 0)
      writer.put(fmt::format("udpblast: lines that are lost here: {} (nobody read them)\n", lost));
    writer.put(text);
  } catch (const std::exception&) {  // no memory, no thread to be had
    say_at_once(text);
  }
}

void say_for_now(const std::string& text) noexcept {
  try {
    if (standard_error().idle()) standard_error().put(text);
  } catch (const std::exception&) {
    return;  // no memory, no thread to be had: the next one may say more
  }
}

}  // namespace cpss::udpblast
