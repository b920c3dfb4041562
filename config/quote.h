// A user's text inside our one-line messages and YAML.
#pragma once

#include <string>
#include <string_view>

namespace cpss {

// In single quotes, bytes that are not printable ASCII as \xNN, and cut after 80 bytes: an error
// stays one readable line for any value.
std::string quoted_for_message(std::string_view text);

// As a double-quoted YAML scalar. UTF-8 stays as it is.
std::string quoted_for_yaml(std::string_view text);

}  // namespace cpss
