#include "config/values.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/quote.h"
#include "config/choices.h"
#include "config/list_values.h"
#include "config/number_values.h"

namespace cpss {
namespace {

template <class T>
constexpr bool kIsList = false;
template <class T>
constexpr bool kIsList<std::vector<T>> = true;

// Calls `use` with the pointer to the row's member.
template <class Use>
decltype(auto) with_member(const SettingInfo& row, Use&& use) {
  return std::visit(std::forward<Use>(use), row.member);
}

template <class T>
using MemberType = std::remove_cvref_t<decltype(std::declval<Settings&>().*std::declval<T>())>;

// A reader for each type: returns nothing if it took the text, else the error.

Complaint read(std::string_view text, const SettingInfo&, Notation, std::string& out) {
  if (!is_printable(text)) return "holds a control character";
  out = text;
  return {};
}

Complaint read(std::string_view text, const SettingInfo&, Notation,
               std::optional<std::string>& out) {
  if (!is_printable(text)) return "holds a control character";
  if (text.empty())
    out.reset();
  else
    out = text;
  return {};
}

Complaint read(std::string_view text, const SettingInfo&, Notation notation, bool& out) {
  const bool digits = notation == Notation::plain;
  if (text == "true" || (digits && text == "1"))
    out = true;
  else if (text == "false" || (digits && text == "0"))
    out = false;
  else
    return "is neither true nor false";
  return {};
}

Complaint read(std::string_view text, const SettingInfo& row, Notation, unsigned& out) {
  return read_count(text, row.range, out);
}

Complaint read(std::string_view text, const SettingInfo& row, Notation, std::size_t& out) {
  return read_bytes(text, row.range, out);
}

Complaint read(std::string_view text, const SettingInfo& row, Notation,
               std::chrono::nanoseconds& out) {
  return read_seconds(text, row.range, out);
}

template <Choice T>
Complaint read(std::string_view text, const SettingInfo&, Notation, T& out) {
  for (const auto& [name, value] : kChoices<T>) {
    if (text != name) continue;
    out = value;
    return {};
  }
  return "is none of the words it may be";
}

Complaint read(std::string_view text, const SettingInfo& row, Notation,
               std::optional<unsigned>& out) {
  if (text.empty()) {
    out.reset();
    return {};
  }
  unsigned count = 0;
  if (Complaint complaint = read_count(text, row.range, count)) return complaint;
  out = count;
  return {};
}

// The word for no address.
constexpr std::string_view kNoAddress = "source";

Complaint read(std::string_view text, const SettingInfo&, Notation,
               std::optional<ListenAddress>& out) {
  if (text == kNoAddress) {
    out.reset();
    return {};
  }
  ListReader<std::vector<ListenAddress>> reader;
  if (Complaint complaint = reader.add(text)) return complaint;
  const ListenAddress address = reader.take().front();
  if (address.port == 0) return "has no port to send to";
  out = address;
  return {};
}

std::string write(const std::string& value) {
  return value;
}
std::string write(bool value) {
  return value ? "true" : "false";
}
std::string write(unsigned value) {
  return fmt::format("{}", value);
}
std::string write(std::size_t value) {
  return bytes_text(value);
}
std::string write(std::chrono::nanoseconds value) {
  return seconds_text(value);
}

template <Choice T>
std::string write(T value) {
  return std::string(name_of(value));
}
std::string write(const std::optional<ListenAddress>& value) {
  return value ? entry_texts({*value}).front() : std::string(kNoAddress);
}

// As a double-quoted YAML scalar. UTF-8 stays as it is.
std::string quoted_for_yaml(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += fmt::format("\\{}", c);
    else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string with_reason(std::string_view text, const std::string& complaint,
                        const std::string& allowed) {
  return fmt::format("{} {}; allowed: {}", in_quotes(text), complaint, allowed);
}

template <class List>
std::vector<ValueError> set_list(const SettingInfo& row, std::span<const std::string> pieces,
                                 Notation notation, List& out) {
  const std::string allowed = allowed_text(row, notation);
  if (pieces.empty() || (pieces.size() == 1 && pieces.front().empty())) {
    if (row.empty_means.empty()) return {{0, fmt::format("is empty; allowed: {}", allowed)}};
    out.clear();
    return {};
  }

  ListReader<List> reader;
  std::vector<ValueError> errors;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    for (const std::string_view entry : split_at_commas(pieces[i]))
      if (const Complaint complaint = reader.add(entry))
        errors.push_back({i, with_reason(entry, *complaint, allowed)});
  if (errors.empty()) out = reader.take();
  return errors;
}

template <class Value>
std::vector<ValueError> set_single(const SettingInfo& row, std::span<const std::string> pieces,
                                   Notation notation, Value& out) {
  const std::string& text = pieces.front();
  if (text.empty() && row.empty_means.empty())
    return {{0, fmt::format("is empty; allowed: {}", allowed_text(row, notation))}};
  if (const Complaint complaint = read(text, row, notation, out))
    return {{0, with_reason(text, *complaint, allowed_text(row, notation))}};
  return {};
}

}  // namespace

bool is_list(const SettingInfo& row) {
  return with_member(row, [](auto member) { return kIsList<MemberType<decltype(member)>>; });
}

bool is_text(const SettingInfo& row) {
  return with_member(row, [](auto member) {
    using Value = MemberType<decltype(member)>;
    return std::is_same_v<Value, std::string> || std::is_same_v<Value, std::optional<std::string>>;
  });
}

std::vector<ValueError> set_value(const SettingInfo& row, std::span<const std::string> pieces,
                                  Notation notation, Settings& settings) {
  return with_member(row, [&](auto member) {
    if constexpr (kIsList<MemberType<decltype(member)>>)
      return set_list(row, pieces, notation, settings.*member);
    else
      return set_single(row, pieces, notation, settings.*member);
  });
}

std::optional<std::string> value_text(const SettingInfo& row, const Settings& settings) {
  return with_member(row, [&](auto member) -> std::optional<std::string> {
    const auto& value = settings.*member;
    using Value = MemberType<decltype(member)>;
    if constexpr (kIsList<Value>)
      return fmt::format("{}", fmt::join(entry_texts(value), ","));
    else if constexpr (std::is_same_v<Value, std::optional<std::string>>)
      return value;
    else if constexpr (std::is_same_v<Value, std::optional<unsigned>>)
      return value ? std::optional(write(*value)) : std::nullopt;
    else
      return write(value);
  });
}

std::optional<std::string> value_yaml(const SettingInfo& row, const Settings& settings) {
  return with_member(row, [&](auto member) -> std::optional<std::string> {
    const auto& value = settings.*member;
    using Value = MemberType<decltype(member)>;
    if constexpr (kIsList<Value>) {
      std::vector<std::string> entries = entry_texts(value);
      for (std::string& entry : entries) entry = quoted_for_yaml(entry);
      return fmt::format("[{}]", fmt::join(entries, ", "));
    } else if constexpr (std::is_same_v<Value, std::optional<std::string>>) {
      if (!value) return std::nullopt;
      return quoted_for_yaml(*value);
    } else if constexpr (std::is_same_v<Value, std::string>) {
      return quoted_for_yaml(value);
    } else if constexpr (std::is_same_v<Value, std::optional<ListenAddress>>) {
      return quoted_for_yaml(write(value));
    } else if constexpr (std::is_same_v<Value, std::optional<unsigned>>) {
      return value ? std::optional(write(*value)) : std::nullopt;
    } else {
      return write(value);
    }
  });
}

namespace {

// For allowed_text() and placeholder(): words_for() has a case for each type.
struct Words {
  std::string allowed;
  std::string_view placeholder;
};

template <class Value>
Words words_for(const SettingInfo& row, Notation notation) {
  if constexpr (std::is_same_v<Value, std::string>) return {"a name", "NAME"};
  if constexpr (std::is_same_v<Value, std::optional<std::string>>) return {"a file name", "FILE"};
  if constexpr (std::is_same_v<Value, bool>)
    return {notation == Notation::yaml ? "true or false" : "0, 1, true or false", "0|1"};
  if constexpr (Choice<Value>) {
    std::vector<std::string_view> words;
    for (const auto& choice : kChoices<Value>) words.push_back(choice.first);
    return {fmt::format("{}", fmt::join(words, " or ")), "WORD"};
  }
  if constexpr (std::is_same_v<Value, std::optional<ListenAddress>>)
    return {"source, or a.b.c.d:port or [IPv6]:port", "ADDRESS"};
  if constexpr (std::is_same_v<Value, unsigned> || std::is_same_v<Value, std::optional<unsigned>>)
    return {fmt::format("{} to {} {}", row.range.min, row.range.max, row.unit), "N"};
  if constexpr (std::is_same_v<Value, std::size_t>)
    return {fmt::format("{} to {}, in {} or with k, M, G, KiB, MiB or GiB behind (powers of 1024)",
                        bytes_text(row.range.min), bytes_text(row.range.max), row.unit),
            "BYTES"};
  if constexpr (std::is_same_v<Value, std::chrono::nanoseconds>)
    return {fmt::format("{} to {} {}, also with a fraction such as 0.5", row.range.min,
                        row.range.max, row.unit),
            "SECONDS"};
  if constexpr (kIsList<Value>)
    return {std::string(ListReader<Value>::kAllowed), ListReader<Value>::kPlaceholder};
}

Words words(const SettingInfo& row, Notation notation) {
  return with_member(
      row, [&](auto member) { return words_for<MemberType<decltype(member)>>(row, notation); });
}

}  // namespace

std::string allowed_text(const SettingInfo& row, Notation notation) {
  return words(row, notation).allowed;
}

std::string used_by_text(const SettingInfo& row) {
  if (row.models.all()) return {};
  std::vector<std::string_view> names;
  for (const auto& [name, model] : kChoices<ServerModel>)
    if (row.models.contains(model)) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string_view placeholder(const SettingInfo& row) {
  return words(row, Notation::plain).placeholder;
}

}  // namespace cpss
