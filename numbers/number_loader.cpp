#include "numbers/number_loader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"
#include "numbers/line_reader.h"
#include "numbers/raw_cache.h"
#include "numbers/row_sort.h"

namespace cpss {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // spreadsheets write one
constexpr unsigned kMaxPriority = NumberRow::kPriorityMask;

class Loader {
 public:
  Loader(ByteSource& bytes, std::string_view source, const NumberFormat& format)
      : lines_(bytes), source_(source), header_(format.header), columns_(format) {}

  LoadedNumbers load(Rows needed) {
    std::string_view line;
    if (!next(line) || !begin(line))
      throw NumberDataError(fmt::format(
          "{}: is empty; it needs a first line of column names, one of them 'prefix'", source_));
    while (next(line)) row(line);
    sort_rows(rows_.items());
    check_repeated();
    problems_.throw_if_any(source_);
    if (rows_.size() == 0 && needed == Rows::needed)
      throw NoRowsError(fmt::format("{}: has no rows, only the columns {}", source_,
                                    list_of_names(columns_.names())));
    return {std::move(rows_), std::move(values_), columns_.names()};
  }

 private:
  bool next(std::string_view& line) {
    try {
      if (!lines_.next(line)) return false;
    } catch (const std::length_error& error) {
      throw NumberDataError(fmt::format("{}:{}: {}", source_, line_ + 1, error.what()));
    }
    if (++line_ > std::numeric_limits<std::uint32_t>::max())
      throw NumberDataError(fmt::format("{}: has more than 4,294,967,295 lines", source_));
    return true;
  }

  // False: there is nothing.
  bool begin(std::string_view first_line) {
    if (first_line == kByteOrderMark) return false;
    if (first_line.starts_with(kByteOrderMark)) first_line.remove_prefix(kByteOrderMark.size());
    columns_.begin(first_line, fields_, problems_);
    // Without good columns every row would be wrong for the same reason.
    problems_.throw_if_any(source_);
    if (!header_) row(first_line);
    return true;
  }

  void row(std::string_view line) {
    const std::optional<std::string_view> prefix = plain_prefix(line);
    const std::optional<E164> number = prefix ? E164::parse_number(*prefix) : std::nullopt;
    if (!number) {
      take_apart(line);
      return;
    }
    // The same line without its number.
    const auto before = static_cast<std::size_t>(prefix->data() - line.data());
    raw_.assign(line.substr(0, before)).append(line.substr(before + prefix->size()));
    const RawCache::Meaning* known = seen_.find(raw_);
    if (known != nullptr) {
      add(*number, *known);
    } else if (const auto meaning = take_apart(line)) {
      seen_.add(raw_, *meaning);
    }
  }

  // The field of the prefix, if it can be found without taking the line apart: where no field
  // before it is quoted.
  std::optional<std::string_view> plain_prefix(std::string_view line) const noexcept {
    const char* at = line.data();
    const char* const end = at + line.size();
    const auto find = [&](char what) {
      return static_cast<const char*>(std::memchr(at, what, static_cast<std::size_t>(end - at)));
    };
    for (std::size_t field = 0; field < columns_.prefix(); ++field) {
      const char* const behind = find(columns_.separator());
      if (behind == nullptr) return std::nullopt;
      at = behind + 1;
    }
    if (columns_.prefix() > 0 &&
        std::memchr(line.data(), '"', static_cast<std::size_t>(at - line.data())) != nullptr)
      return std::nullopt;
    const char* const behind = at == end ? nullptr : find(columns_.separator());
    return std::string_view(at, static_cast<std::size_t>((behind == nullptr ? end : behind) - at));
  }

  // Adds the row, and returns what it says; nothing if it is wrong, or says nothing.
  std::optional<RawCache::Meaning> take_apart(std::string_view line) {
    const char* const blanks = columns_.separator() == '\t' ? " " : " \t";
    if (line.find_first_not_of(blanks) == std::string_view::npos) return std::nullopt;
    if (!fields_.split(line, columns_.separator())) {
      problem(std::string(fields_.problem()));
      return std::nullopt;
    }
    const std::vector<std::string_view>& fields = fields_.fields();
    if (fields.size() != columns_.fields()) {
      problem(fmt::format("{} fields instead of {}, as in the first line", fields.size(),
                          columns_.fields()));
      return std::nullopt;
    }
    const std::string_view digits = fields[columns_.prefix()];
    const std::optional<E164> prefix = E164::parse_number(digits);
    if (!prefix)
      problem(fmt::format("prefix {} is not 1 to {} digits", in_quotes(digits), E164::kMaxDigits));
    const std::optional<bool> removed = is_removed(fields);
    if (prefix && removed && *removed) {
      const RawCache::Meaning nothing;
      add(*prefix, nothing);
      return nothing;
    }
    const std::optional<std::uint8_t> priority = priority_in(fields);
    const bool good = make_text(fields) && prefix && removed && priority;
    if (!good) return std::nullopt;
    const RawCache::Meaning meaning{values_.add(text_), *priority};
    add(*prefix, meaning);
    return meaning;
  }

  std::optional<bool> is_removed(const std::vector<std::string_view>& fields) {
    if (!columns_.change()) return false;
    const std::string_view change = fields[*columns_.change()];
    if (change == "set" || change == "remove") return change == "remove";
    problem(fmt::format("change {} is neither 'set' nor 'remove'", in_quotes(change)));
    return std::nullopt;
  }

  // Where there is none, the row is the first one of its prefix.
  std::optional<std::uint8_t> priority_in(const std::vector<std::string_view>& fields) {
    if (!columns_.priority() || fields[*columns_.priority()].empty()) return 0;
    const std::string_view text = fields[*columns_.priority()];
    unsigned priority = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), priority);
    if (error == std::errc() && end == text.data() + text.size() && priority <= kMaxPriority)
      return static_cast<std::uint8_t>(priority);
    problem(fmt::format("priority {} is not 0 to {}", in_quotes(text), kMaxPriority));
    return std::nullopt;
  }

  // Makes text_ of the fields. False: something is wrong with them.
  bool make_text(const std::vector<std::string_view>& fields) {
    bool good = true;
    text_.clear();
    for (const std::size_t i : columns_.order()) {
      const std::string& name = columns_.name(i);
      if (i == columns_.prefix() || columns_.change() == i || fields[i].empty() || name.empty())
        continue;
      if (const auto bad = forbidden_in(fields[i])) {
        problem(fmt::format("{} {} holds {}", name, in_quotes(fields[i]), name_of_forbidden(*bad)));
        good = false;
      }
      text_.append(1, ';').append(name).append(1, '=').append(fields[i]);
    }
    if (text_.size() <= ValuePool::kMaxText) return good;
    problem(fmt::format("what the row says takes {} bytes, more than {}", text_.size(),
                        ValuePool::kMaxText));
    return false;
  }

  void add(E164 prefix, const RawCache::Meaning& meaning) {
    rows_.push_back(
        {prefix.packed() | meaning.priority, meaning.value, static_cast<std::uint32_t>(line_)});
  }

  // Finds prefixes that are there twice, or more often than there may be routes.
  void check_repeated() {
    const std::span<const NumberRow> rows = rows_.items();
    std::size_t first = 0;       // of the prefix
    std::size_t first_same = 0;  // of prefix and priority
    for (std::size_t i = 1; i < rows.size(); ++i) {
      const NumberRow& row = rows[i];
      if (row.prefix() != rows[first].prefix()) first = i;
      if (row.key == rows[first_same].key) {
        problems_.add(row.line, twice(row, rows[first_same]));
        continue;
      }
      first_same = i;
      if (i - first == image::kMaxRoutes) {
        problems_.add(row.line, fmt::format("prefix {} has more than {} routes",
                                            row.prefix().to_string(), image::kMaxRoutes));
      }
    }
  }
  std::string twice(const NumberRow& row, const NumberRow& first) const {
    const std::string prefix = row.prefix().to_string();
    if (!columns_.priority())
      return fmt::format("prefix {} is also on line {}", prefix, first.line);
    return fmt::format("prefix {} with priority {} is also on line {}", prefix, row.priority(),
                       first.line);
  }

  void problem(std::string text) { problems_.add(line_, std::move(text)); }

  LineReader lines_;
  const std::string_view source_;
  const bool header_;
  NumberColumns columns_;
  CsvLine fields_;
  std::size_t line_ = 0;
  std::string raw_, text_;  // members, so that their memory is used again
  RawCache seen_;
  GrowingArray<NumberRow> rows_;
  ValuePool values_;
  Problems problems_;
};

}  // namespace

BuiltImage build_image(LoadedNumbers numbers, std::string_view source,
                       std::optional<std::uint64_t> serial) try {
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  return {numbers.rows,
          std::move(numbers.values),
          {std::move(numbers.columns), source, serial.value_or(now), now}};
} catch (const std::length_error& error) {
  throw NumberDataError(fmt::format("{}: {}", source, error.what()));
}

LoadedNumbers load_numbers(ByteSource& bytes, std::string_view source, const NumberFormat& format,
                           Rows rows) try {
  return Loader(bytes, source, format).load(rows);
} catch (const std::length_error& error) {
  throw NumberDataError(fmt::format("{}: {}; leave out columns or rows", source, error.what()));
}

}  // namespace cpss
