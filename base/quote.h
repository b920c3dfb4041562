// Somebody else's text inside our one-line messages. Allocates. No state, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cpss {

// `text` in single quotes: one line, harmless to a terminal, whatever it holds. UTF-8 stays as it
// is. A control character (ASCII, DEL, U+0080 to U+009F) and what is not UTF-8 become \xNN, byte by
// byte. A backslash and a single quote get a backslash before them, so that the end of the text and
// every byte of it can be told.
//
// Shows at most the first `max` bytes, and no part of a character; "..." behind the closing quote
// says that there are more. (Not called `quoted`: for a std::string that would also mean
// std::quoted.)
std::string in_quotes(std::string_view text, std::size_t max = 80);

}  // namespace cpss
