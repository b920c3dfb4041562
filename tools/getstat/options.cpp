#include "tools/getstat/options.h"

#include <charconv>
#include <cstdlib>
#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "stats/location.h"

namespace cpss::getstat {
namespace {

namespace po = boost::program_options;

constexpr double kShortestWatchS = 0.1;
constexpr double kLongestWatchS = 3600;

po::options_description description() {
  po::options_description options("Options", 100);
  // clang-format off
  options.add_options()
    ("file", po::value<std::string>()->value_name("PATH"),
     "stats region (default: CPSS_STATS_FILE, else the place where this user's server puts it)")
    ("watch", po::value<std::string>()->implicit_value("1", "1")->value_name("SECONDS"),
     "refresh until Ctrl-C, with rates (0.1 to 3600)")
    ("verify", "check every identity of the ledger and print its residual")
    ("json", "print one JSON object")
    ("help,h", "print this and end")
    ("version", "print the version and end");
  // clang-format on
  return options;
}

std::chrono::milliseconds parse_interval(const std::string& text) {
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds);
  if (error != std::errc() || rest != end || !(seconds >= kShortestWatchS) ||
      !(seconds <= kLongestWatchS))
    throw UsageError(fmt::format("--watch={}: not a number of seconds from {} to {}", text,
                                 kShortestWatchS, kLongestWatchS));
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

po::variables_map parse_command_line(int argc, const char* const* argv) {
  namespace style = po::command_line_style;
  po::variables_map values;
  try {
    const po::options_description options = description();
    po::store(po::command_line_parser(argc, argv)
                  .options(options)
                  .positional({})
                  .style(style::unix_style & ~style::allow_guessing)
                  .run(),
              values);
    po::notify(values);
  } catch (const po::invalid_command_line_syntax& error) {
    if (error.kind() != po::invalid_syntax::empty_adjacent_parameter)
      throw UsageError(fmt::format("{} (see --help)", error.what()));
    throw UsageError(
        fmt::format("{0}=: its value is missing; write {0}=VALUE, or leave the option away",
                    error.get_option_name()));
  } catch (const po::error& error) {
    throw UsageError(fmt::format("{} (see --help)", error.what()));
  }
  return values;
}

std::string file_of(const po::variables_map& values) {
  if (values.count("file") != 0) {
    const auto& file = values["file"].as<std::string>();
    if (file.empty())
      throw UsageError(
          "--file: an empty path names no stats region; leave --file away for the default place");
    return file;
  }
  const char* variable = std::getenv("CPSS_STATS_FILE");
  return variable != nullptr && *variable != '\0' ? variable : default_region_path();
}

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  const po::variables_map values = parse_command_line(argc, argv);
  Options options;
  options.help = values.count("help") != 0;
  options.version = values.count("version") != 0;
  options.verify = values.count("verify") != 0;
  options.json = values.count("json") != 0;
  if (values.count("watch") != 0) options.watch = parse_interval(values["watch"].as<std::string>());
  if (options.watch && (options.verify || options.json))
    throw UsageError("--watch cannot be combined with --verify or --json: call getstat repeatedly");
  options.file = file_of(values);
  return options;
}

std::string help_text() {
  std::ostringstream text;
  text
      << "getstat: what a cpss server is doing, read from its stats region\n"
         "Usage: getstat [--file PATH] [--watch[=SECONDS] | [--verify] [--json]]\n\n"
      << description()
      << "\n"
         "Exit codes: 0 good, also of a server that serves, but in some trouble (degraded);\n"
         "1 an identity of the ledger is broken (--verify); 2 no region, one that cannot be read,\n"
         "or a wrong option; 3 the server is gone without a clean end (stale), or there, but\n"
         "without a sign of life for 3 s (hung): its last values are shown.\n";
  return text.str();
}

std::string version_text() {
  return "getstat " CPSS_VERSION "\n";
}

}  // namespace cpss::getstat
