// udpblast: sends messages to a cpss server and checks every reply. docs/udpblast.md
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/early_signals.h"
#include "base/standard_error.h"
#include "tools/udpblast/options.h"
#include "tools/udpblast/progress.h"
#include "tools/udpblast/result.h"
#include "tools/udpblast/run.h"
#include "tools/udpblast/workload.h"

namespace cpss::udpblast {
namespace {

int print(std::string_view text, ExitCode code) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) say(std::string("udpblast: standard output: ") + std::strerror(errno) + '\n');
  return static_cast<int>(written ? code : ExitCode::could_not_run);
}

int report(const RunResult& result, const Options& options) {
  const ExitCode code = exit_code(result, options);
  if (options.json)
    for (const std::string& problem : problems(result, options)) say("udpblast: " + problem + '\n');
  // If both outputs are one terminal, the lines of the run appear before the report.
  flush_standard_error();
  return print(options.json ? json_report(result, options) : text_report(result, options), code);
}

int run(std::span<const char* const> arguments) {
  const auto parsed = parse_options(arguments);
  if (const auto* information = std::get_if<Information>(&parsed))
    return print(information->text, ExitCode::all_right);
  const Options& options = std::get<Options>(parsed);
  const auto workload = make_workload(options);
  return report(run_blast(options, *workload), options);
}

// Tells the user what was wrong.
int run_to_exit_code(std::span<const char* const> arguments) {
  try {
    return run(arguments);
  } catch (const UsageError& error) {
    say("udpblast: " + std::string(error.what()) + "\nudpblast --help lists the options\n");
  } catch (const std::bad_alloc&) {
    say("udpblast: not enough memory: use fewer messages under way (-q), fewer clients (-c) or "
        "threads (-T), or raise 'ulimit -v'\n");
  } catch (const std::exception& error) {
    say("udpblast: " + std::string(error.what()) + '\n');
  }
  return static_cast<int>(ExitCode::could_not_run);
}

}  // namespace
}  // namespace cpss::udpblast

int main(int argc, char** argv) {
  cpss::end_at_once_on_signals();
  const int code = cpss::udpblast::run_to_exit_code({argv + 1, argv + argc});
  cpss::flush_standard_error();
  return code;
}
