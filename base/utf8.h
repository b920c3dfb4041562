// What is UTF-8, and what is not. No state, any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace cpss {

// Bytes of the UTF-8 character that `text` begins with (RFC 3629, section 4); 0 where there is
// none.
std::size_t utf8_length(std::string_view text) noexcept;

}  // namespace cpss
