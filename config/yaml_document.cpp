#include "config/yaml_document.h"

#include <array>
#include <cstring>

namespace cpss {
namespace {

class Writer {
 public:
  void number(std::uint32_t value) {
    std::array<char, sizeof value> bytes{};
    std::memcpy(bytes.data(), &value, sizeof value);
    out_.append(bytes.data(), bytes.size());
  }
  void text(const std::string& value) {
    number(static_cast<std::uint32_t>(value.size()));
    out_ += value;
  }
  void position(YamlPosition at) {
    number(at.line);
    number(at.column);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// After the first read beyond the end all reads yield zeros and failed() is true.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : remaining_(bytes) {}

  std::uint32_t number() {
    std::uint32_t value = 0;
    const std::string_view bytes = take(sizeof value);
    if (!failed_) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(number())); }
  YamlPosition position() {
    const std::uint32_t line = number();
    const std::uint32_t column = number();
    return {line, column};
  }
  void fail() { failed_ = true; }
  bool failed() const { return failed_; }
  bool at_end() const { return remaining_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (size > remaining_.size()) failed_ = true;
    if (failed_) return {};
    const std::string_view bytes = remaining_.substr(0, size);
    remaining_.remove_prefix(size);
    return bytes;
  }

  std::string_view remaining_;
  bool failed_ = false;
};

YamlEntry read_entry(Reader& reader) {
  YamlEntry entry;
  entry.path = reader.text();
  entry.at = reader.position();
  const std::uint32_t kind = reader.number();
  if (kind > static_cast<std::uint32_t>(YamlKind::section)) reader.fail();
  entry.kind = static_cast<YamlKind>(kind);
  const std::uint32_t values = reader.number();
  if (entry.kind == YamlKind::scalar ? values != 1 : entry.kind != YamlKind::list && values != 0)
    reader.fail();
  for (std::uint32_t i = 0; i < values && !reader.failed(); ++i) {
    std::string text = reader.text();
    entry.values.push_back({std::move(text), reader.position()});
  }
  return entry;
}

YamlError read_error(Reader& reader) {
  YamlError error;
  const bool has_position = reader.number() != 0;
  const YamlPosition at = reader.position();
  if (has_position) error.at = at;
  error.text = reader.text();
  return error;
}

}  // namespace

std::string encode(const YamlDocument& document) {
  Writer writer;
  writer.number(static_cast<std::uint32_t>(document.entries.size()));
  for (const YamlEntry& entry : document.entries) {
    writer.text(entry.path);
    writer.position(entry.at);
    writer.number(static_cast<std::uint32_t>(entry.kind));
    writer.number(static_cast<std::uint32_t>(entry.values.size()));
    for (const YamlScalar& value : entry.values) {
      writer.text(value.text);
      writer.position(value.at);
    }
  }
  writer.number(static_cast<std::uint32_t>(document.errors.size()));
  for (const YamlError& error : document.errors) {
    writer.number(error.at ? 1 : 0);
    writer.position(error.at.value_or(YamlPosition{}));
    writer.text(error.text);
  }
  return writer.take();
}

std::optional<YamlDocument> decode(std::string_view bytes) {
  Reader reader(bytes);
  YamlDocument document;
  const std::uint32_t entries = reader.number();
  for (std::uint32_t i = 0; i < entries && !reader.failed(); ++i)
    document.entries.push_back(read_entry(reader));
  const std::uint32_t errors = reader.number();
  for (std::uint32_t i = 0; i < errors && !reader.failed(); ++i)
    document.errors.push_back(read_error(reader));
  if (reader.failed() || !reader.at_end()) return std::nullopt;
  return document;
}

}  // namespace cpss
