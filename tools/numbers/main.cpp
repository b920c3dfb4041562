// cpss-numbers: builds, checks, shows and changes number data.
#include <cstdio>
#include <exception>
#include <new>

#include <fmt/format.h>

#include "base/early_signals.h"
#include "base/exit_codes.h"
#include "numbers/byte_source.h"
#include "tools/numbers/commands.h"
#include "tools/numbers/options.h"
#include "tools/numbers/output_file.h"

namespace {

int complain(const char* what, int code) {
  std::fputs(fmt::format("cpss-numbers: {}\n", what).c_str(), stderr);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  namespace tool = cpss::numbers_tool;
  cpss::end_at_once_on_signals();
  try {
    const int code = tool::run(tool::parse_options(argc, argv));
    if (std::fflush(stdout) != 0)
      return complain("standard output cannot be written", cpss::kExitRegion);
    return code;
  } catch (const tool::UsageError& error) {
    return complain(error.what(), cpss::kExitUsage);
  } catch (const cpss::NumberDataError& error) {
    return complain(error.what(), cpss::kExitData);
  } catch (const tool::OutputError& error) {
    return complain(error.what(), cpss::kExitRegion);
  } catch (const std::bad_alloc&) {
    return complain("there is not enough memory", cpss::kExitInternal);
  } catch (const std::exception& error) {
    return complain(error.what(), cpss::kExitInternal);
  }
}
