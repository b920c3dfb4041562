// Writes JSON (RFC 8259), one object at a time.
//
// Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cpss::udpblast {

// Bytes above 0x7f, which a path may have, are escaped one by one: the result is valid JSON
// whatever they encode.
std::string json_string(std::string_view text);
std::string json_strings(const std::vector<std::string>& texts);  // an array

class JsonObject {
 public:
  void raw(std::string_view key, std::string_view json);
  void number(std::string_view key, std::uint64_t value) { raw(key, std::to_string(value)); }
  void number(std::string_view key, std::int64_t value) { raw(key, std::to_string(value)); }
  void number(std::string_view key, double value);
  void boolean(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }
  void string(std::string_view key, std::string_view value) { raw(key, json_string(value)); }
  void null(std::string_view key) { raw(key, "null"); }
  std::string end() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

}  // namespace cpss::udpblast
