#include "services/number_csv.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/quote.h"
#include "services/csv.h"
#include "services/service_settings.h"

namespace cpss {
namespace {

constexpr std::string_view kPrefixColumn = "prefix";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // spreadsheets write one
constexpr std::size_t kMaxShown = 20;                        // problems told in full

// The problems found, by line; keeps the texts of the first kMaxShown.
class Problems {
 public:
  void add(std::size_t line, std::string text) {
    ++count_;
    if (told_.size() < kMaxShown) told_.push_back({line, std::move(text)});
  }

  void add_all(const Problems& other) {
    count_ += other.count_;
    told_.insert(told_.end(), other.told_.begin(), other.told_.end());
    std::ranges::stable_sort(told_, {}, &Problem::line);
    if (told_.size() > kMaxShown) told_.resize(kMaxShown);
  }

  void throw_if_any(std::string_view source) const {
    if (count_ == 0) return;
    std::string text;
    for (const Problem& problem : told_)
      text += fmt::format("{}:{}: {}\n", source, problem.line, problem.text);
    if (count_ > told_.size())
      text += fmt::format("{}: {} more problems\n", source, count_ - told_.size());
    text += fmt::format("{}: nothing was loaded; correct what is named above", source);
    throw ServiceDataError(text);
  }

 private:
  struct Problem {
    std::size_t line;
    std::string text;
  };
  std::vector<Problem> told_;
  std::size_t count_ = 0;
};

constexpr std::array<bool, 256> kForbidden = [] {
  std::array<bool, 256> forbidden{};
  for (std::size_t c = 0; c < 0x20; ++c) forbidden[c] = true;
  forbidden[0x7f] = forbidden[';'] = forbidden['='] = true;
  return forbidden;
}();

// The first character that would break the column=value;column=value of a reply, or a log line.
std::optional<char> forbidden_in(std::string_view value) {
  const auto found =
      std::ranges::find_if(value, [](char c) { return kForbidden[static_cast<unsigned char>(c)]; });
  return found == value.end() ? std::nullopt : std::optional(*found);
}

std::string name_of(char forbidden) {
  if (forbidden == ';' || forbidden == '=') return fmt::format("'{}'", forbidden);
  return fmt::format("control character 0x{:02x}", static_cast<unsigned char>(forbidden));
}

// Takes the next line off `rest`, without its end (LF or CRLF).
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Upper and lower case count as the same.
bool same_name(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// For a message: the first names, quoted.
std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMax = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMax); ++i)
    text += (i == 0 ? "" : ", ") + in_quotes(names[i]);
  if (names.size() > kMax) text += fmt::format(" and {} more", names.size() - kMax);
  return text;
}

class NumberParser {
 public:
  NumberTable parse(std::string_view csv, std::string_view source, Rows needed) {
    if (csv.starts_with(kByteOrderMark)) csv.remove_prefix(kByteOrderMark.size());
    if (csv.empty())
      throw ServiceDataError(fmt::format(
          "{}: is empty; it needs a first line of column names, one of them 'prefix'", source));

    header(take_line(csv));
    // Without a good header every row would be wrong for the same reason.
    problems_.throw_if_any(source);
    for (std::size_t line = 2; !csv.empty(); ++line) row(line, take_line(csv));
    problems_.add_all(duplicates());
    problems_.throw_if_any(source);
    if (found_.empty() && needed == Rows::needed)
      throw ServiceDataError(fmt::format(
          "{}: has no rows, only the columns {}; give it some, or set CPSS_ALLOW_EMPTY=1 "
          "to serve without",
          source, list_of(columns_)));

    std::vector<NumberTable::Row> rows;
    rows.reserve(found_.size());
    for (const Found& found : found_) rows.push_back(found.row);
    return NumberTable(rows, std::move(texts_));
  }

 private:
  struct Found {
    NumberTable::Row row;
    std::size_t line;
  };

  bool names_prefix() const {
    return std::ranges::any_of(
        fields_.fields(), [](std::string_view name) { return same_name(name, kPrefixColumn); });
  }

  // Splits the line at the separator that makes one of its names "prefix"; if none does, at the one
  // that yields the most names.
  bool split_header(std::string_view line) {
    std::size_t max = 0;
    for (const char separator : {',', ';', '\t'}) {
      if (!fields_.split(line, separator)) continue;
      const std::size_t names = names_prefix() ? SIZE_MAX : fields_.fields().size();
      if (names > max) separator_ = separator;
      max = std::max(max, names);
    }
    return fields_.split(line, separator_);
  }

  void header(std::string_view line) {
    if (!split_header(line)) {
      problems_.add(1, std::string(fields_.problem()));
      return;
    }
    for (const std::string_view name : fields_.fields()) {
      if (name.empty())
        problems_.add(1, fmt::format("column {} has no name", columns_.size() + 1));
      else if (const auto bad = forbidden_in(name))
        problems_.add(1, fmt::format("column name {} holds {}", in_quotes(name), name_of(*bad)));
      else if (std::ranges::any_of(
                   columns_, [name](const std::string& known) { return same_name(known, name); }))
        problems_.add(1, fmt::format("column {} is named twice", in_quotes(name)));
      columns_.emplace_back(name);
    }
    const auto prefix = std::ranges::find_if(
        columns_, [](const std::string& name) { return same_name(name, kPrefixColumn); });
    if (prefix == columns_.end())
      problems_.add(1, fmt::format("no column 'prefix' among those that the first line names: {}",
                                   list_of(columns_)));
    prefix_column_ = static_cast<std::size_t>(prefix - columns_.begin());
  }

  void row(std::size_t line, std::string_view text) {
    const char* const blanks = separator_ == '\t' ? " " : " \t";
    if (text.find_first_not_of(blanks) == std::string_view::npos) return;
    if (!fields_.split(text, separator_)) {
      problems_.add(line, std::string(fields_.problem()));
      return;
    }
    const std::vector<std::string_view>& fields = fields_.fields();
    if (fields.size() != columns_.size()) {
      problems_.add(line, fmt::format("{} fields instead of {}, as in the first line",
                                      fields.size(), columns_.size()));
      return;
    }
    std::string_view digits = fields[prefix_column_];
    const std::optional<E164> prefix = E164::parse_number(digits);
    if (!prefix)
      problems_.add(line, fmt::format("prefix {} is not 1 to {} digits", in_quotes(digits),
                                      E164::kMaxDigits));
    // With or without a '+' it is the same prefix, and has the same reply.
    if (digits.starts_with('+')) digits.remove_prefix(1);

    reply_.assign(columns_[prefix_column_]).append(1, '=').append(digits);
    bool good = prefix.has_value();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i == prefix_column_ || fields[i].empty()) continue;
      if (const auto bad = forbidden_in(fields[i])) {
        problems_.add(
            line, fmt::format("{} {} holds {}", columns_[i], in_quotes(fields[i]), name_of(*bad)));
        good = false;
      }
      reply_.append(1, ';').append(columns_[i]).append(1, '=').append(fields[i]);
    }
    if (reply_.size() > TextPool::kMaxBytes) {
      problems_.add(line, fmt::format("the row makes a reply of {} bytes, more than {}",
                                      reply_.size(), TextPool::kMaxBytes));
      good = false;
    }
    if (good) found_.push_back({{*prefix, texts_.add(reply_)}, line});
  }

  // Sorts found_ by prefix; reports each line whose prefix an earlier one has.
  Problems duplicates() {
    std::ranges::sort(found_, {}, [](const Found& f) { return std::pair(f.row.prefix, f.line); });
    struct Duplicate {
      std::size_t line;
      std::size_t first_line;
      E164 prefix;
    };
    std::vector<Duplicate> again;
    for (std::size_t first = 0, i = 1; i < found_.size(); ++i) {
      if (found_[i].row.prefix == found_[first].row.prefix)
        again.push_back({found_[i].line, found_[first].line, found_[i].row.prefix});
      else
        first = i;
    }
    std::ranges::sort(again, {}, &Duplicate::line);
    Problems problems;
    for (const Duplicate& d : again)
      problems.add(d.line,
                   fmt::format("prefix {} is also on line {}", d.prefix.to_string(), d.first_line));
    return problems;
  }

  CsvLine fields_;
  char separator_ = ',';
  std::vector<std::string> columns_;  // as the header spells them
  std::size_t prefix_column_ = 0;
  std::string reply_;  // of the current row; a member, so that its memory is used again
  std::vector<Found> found_;
  TextPool texts_;
  Problems problems_;
};

[[noreturn]] void throw_unreadable(const std::string& path, const std::string& why) {
  throw ServiceDataError(
      fmt::format("{}: cannot be read: {}; CPSS_NUMBERS has to name number data "
                  "(scripts/import-numbers makes some)",
                  path, why));
}

std::string read_file(const std::string& path, std::chrono::milliseconds patience) {
  PatientFile file(path, patience);
  // A pipe has no size, and a file may grow while it is read: the size is a hint.
  constexpr std::size_t kStep = 1 << 20;
  struct stat info {};
  if (file.is_open() && ::fstat(file.descriptor(), &info) != 0)
    throw_unreadable(path, std::strerror(errno));
  // No character devices: /dev/zero never ends.
  if (S_ISCHR(info.st_mode)) throw_unreadable(path, std::strerror(ENODEV));
  std::string content;
  content.reserve(static_cast<std::size_t>(info.st_size) + kStep);
  for (std::size_t size = 0;;) {
    content.resize(size + kStep);
    const ssize_t got = file.read(std::span(content).subspan(size));
    if (got < 0) throw_unreadable(path, file.explain(errno));
    if (got == 0) {
      content.resize(size);
      return content;
    }
    size += static_cast<std::size_t>(got);
  }
}

}  // namespace

NumberTable parse_numbers(std::string_view csv, std::string_view source, Rows rows) try {
  return NumberParser().parse(csv, source, rows);
} catch (const std::length_error&) {
  throw ServiceDataError(
      fmt::format("{}: its replies need more than 4 GiB of memory; leave out "
                  "columns or rows",
                  source));
}

NumberTable load_numbers(const std::string& path, Rows rows, std::chrono::milliseconds patience) {
  return parse_numbers(read_file(path, patience), path, rows);
}

}  // namespace cpss
