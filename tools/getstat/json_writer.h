// Writes one JSON value (RFC 8259) into a string, in the order of the calls.
//
// What must hold: inside an object every value follows its key; every begin has its end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cpss::getstat {

class JsonWriter {
 public:
  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }

  // Control characters, quotes and '\' are escaped. What is not UTF-8 is replaced byte by byte by
  // U+FFFD: the text of a damaged region can hold anything.
  JsonWriter& key(std::string_view name);
  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(std::uint64_t number);
  void value(std::int64_t number);
  void value(double number);  // finite; six digits after the point at most
  void value(bool truth);
  void null();

  const std::string& text() const noexcept { return text_; }

 private:
  void open(char bracket);
  void close(char bracket);
  void separate();  // the comma before a value or key, where there has to be one

  std::string text_;
  bool first_ = true;  // in the innermost array or object, or right after a key
};

}  // namespace cpss::getstat
