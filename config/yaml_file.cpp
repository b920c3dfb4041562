#include "config/yaml_file.h"

#include <array>
#include <cerrno>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "config/limited_child.h"
#include "config/yaml_parser.h"
#include "config/yaml_text.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

// A file of kLargestYamlFile takes a tenth of each at most; under ThreadSanitizer a third.
constexpr ChildLimits kParserLimits{.address_space_bytes = std::size_t{512} << 20,
                                    .cpu_seconds = 10,
                                    .wall_clock = 20s,
                                    .answer_bytes = std::size_t{64} << 20};

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

YamlDocument failed(std::string text) {
  return {{}, {{std::nullopt, std::move(text)}}};
}

// The file's bytes, at most one chunk more than the limit; or nothing, and the reason in `failure`.
std::optional<std::string> read_up_to_limit(const std::string& path,
                                            std::chrono::milliseconds patience,
                                            std::string& failure) {
  PatientFile file(path, patience);
  std::string text;
  std::array<char, 64 * 1024> chunk;
  while (text.size() <= kLargestYamlFile) {
    const ssize_t got = file.read(chunk);
    if (got == 0) break;
    if (got < 0) {
      failure = "cannot be read: " + file.explain(errno);
      return std::nullopt;
    }
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace

YamlDocument read_yaml_file(const std::string& path, std::chrono::milliseconds patience) {
  std::string failure;
  const std::optional<std::string> bytes = read_up_to_limit(path, patience, failure);
  if (!bytes) return failed(failure);
  if (bytes->size() > kLargestYamlFile)
    return failed(
        fmt::format("is larger than {} bytes, so it is not a file of settings", kLargestYamlFile));

  std::string_view text = *bytes;
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    return {{}, {{YamlPosition{}, "this is UTF-16; save the file as UTF-8"}}};
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (const std::optional<YamlError> error = check_text(text)) return {{}, {*error}};

  const ChildOutcome outcome =
      run_in_limited_child([text] { return encode(parse_yaml(text)); }, kParserLimits);
  if (!outcome.answer)
    return failed(fmt::format("cannot be parsed: the YAML parser {}", outcome.failure));
  std::optional<YamlDocument> document = decode(*outcome.answer);
  if (!document) return failed("cannot be parsed: the YAML parser gave a damaged answer");
  return *std::move(document);
}

}  // namespace cpss
