#include "tools/numbers/inspect.h"

#include <array>
#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/exit_codes.h"
#include "base/quote.h"
#include "tools/numbers/data_files.h"
#include "tools/numbers/output_file.h"

namespace cpss::numbers_tool {
namespace {

std::string time_text(std::uint64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  if (::gmtime_r(&time, &utc) == nullptr) return "?";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string shown(const NumberData& data, const std::string& text) {
  const auto number = E164::parse_number(text);
  if (!number)
    throw NumberDataError(
        fmt::format("{} is no number: 1 to {} digits", in_quotes(text), E164::kMaxDigits));
  const NumberMatch match = data.table().find(*number);
  const std::string digits = number->to_string();
  std::string lines;
  if (match.value == image::kNoValue) {
    lines = fmt::format("{}: no row: no prefix of it is there\n", digits);
  } else {
    lines = fmt::format("{}: the row of {}, {}\n", digits, digits.substr(0, match.digits),
                        match.digits == digits.size()
                            ? "the whole number"
                            : fmt::format("its longest prefix that is there, {} of {} digits",
                                          match.digits, digits.size()));
    std::array<std::string_view, image::kMaxRoutes> texts;
    for (const std::string_view route : data.table().values().texts(match.value, texts))
      lines += fmt::format("  {}\n", route.empty() ? "nothing else" : route.substr(1));
  }
  if (match.longer) lines += "  longer rows begin with it\n";
  return lines;
}

}  // namespace

int check(const Options& options) {
  const NumberData data = load(options.operands[0], options);
  print(fmt::format("{}: good: {} rows, {} prefixes\n", options.operands[0], data.about().rows,
                    data.about().prefixes));
  return kExitOk;
}

int info(const Options& options) {
  const NumberData data = load(options.operands[0], options);
  const image::Header& about = data.about();
  nlohmann::ordered_json json = {
      {"source", image::source_of(data.image())},
      {"serial", about.serial},
      {"built", time_text(about.built_s)},
      {"columns", image::columns_of(data.image())},
      {"rows", about.rows},
      {"prefixes", about.prefixes},
      {"values", about.values},
      {"bytes", about.image_bytes},
  };
  for (std::size_t i = 0; i < image::kParts; ++i)
    json["parts"][image::kPartNames[i]] = about.parts[i].bytes;
  if (options.json) {
    // Names may be of any encoding; JSON is UTF-8.
    print(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return kExitOk;
  }
  std::string columns;
  for (const std::string& column : image::columns_of(data.image()))
    columns += (columns.empty() ? "" : ", ") + column;
  print(
      fmt::format("source    {}\nserial    {}\nbuilt     {}\ncolumns   {}\nrows      {}\n"
                  "prefixes  {}\nvalues    {}\nbytes     {}\n",
                  image::source_of(data.image()), about.serial, time_text(about.built_s), columns,
                  about.rows, about.prefixes, about.values, about.image_bytes));
  for (std::size_t i = 0; i < image::kParts; ++i)
    print(fmt::format("  {:<8}{}\n", image::kPartNames[i], about.parts[i].bytes));
  return kExitOk;
}

int show(const Options& options) {
  const NumberData data = load(options.operands[0], options);
  for (const std::string& number : std::span(options.operands).subspan(1))
    print(shown(data, number));
  return kExitOk;
}

}  // namespace cpss::numbers_tool
