#include "tools/udpblast/json_object.h"

#include <iterator>

#include <fmt/format.h>

namespace cpss::udpblast {

std::string json_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      result += {'\\', c};
    else if (byte < 0x20 || byte > 0x7e)
      fmt::format_to(std::back_inserter(result), "\\u{:04x}", byte);
    else
      result.push_back(c);
  }
  return result + "\"";
}

std::string json_strings(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + json_string(text);
  return "[" + list + "]";
}

void JsonObject::raw(std::string_view key, std::string_view json) {
  fmt::format_to(std::back_inserter(text_), "{}{}: {}", text_.empty() ? "" : ", ", json_string(key),
                 json);
}

void JsonObject::number(std::string_view key, double value) {
  raw(key, fmt::format("{}", value));
}

}  // namespace cpss::udpblast
