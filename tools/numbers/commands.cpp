#include "tools/numbers/commands.h"

#include "base/exit_codes.h"
#include "tools/numbers/convert.h"
#include "tools/numbers/inspect.h"
#include "tools/numbers/output_file.h"

namespace cpss::numbers_tool {

int run(const Options& options) {
  switch (options.command) {
    case Command::help:
      print(help_text());
      return kExitOk;
    case Command::version:
      print(version_text());
      return kExitOk;
    case Command::build:
      return build(options);
    case Command::check:
      return check(options);
    case Command::info:
      return info(options);
    case Command::show:
      return show(options);
    case Command::diff:
      return diff(options);
    case Command::apply:
      return apply(options);
    case Command::export_csv:
      return export_csv(options);
  }
  return kExitInternal;
}

}  // namespace cpss::numbers_tool
