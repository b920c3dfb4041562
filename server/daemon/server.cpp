#include "server/daemon/server.h"

#include <cstddef>
#include <string>
#include <vector>

#include "base/exit_codes.h"
#include "base/standard_error.h"
#include "config/documents.h"
#include "config/help.h"
#include "config/load.h"
#include "server/daemon/config_check.h"
#include "server/daemon/failure.h"
#include "server/daemon/main_stack.h"
#include "server/daemon/signals.h"
#include "server/daemon/standard_streams.h"
#include "server/daemon/start.h"

namespace cpss {
namespace {

// Reading a YAML file needs the most stack, some 70 KiB.
constexpr std::size_t kMainStackBytes = std::size_t{256} << 10;

std::string help(const ServiceRegistry& services) {
  std::vector<NamedHelp> entries;
  for (const ServiceEntry& entry : services.entries())
    entries.push_back({entry.name, entry.summary});
  return help_text(entries);
}

int act(LoadResult& loaded, const ServerParts& parts, const char* const* environment) {
  switch (loaded.action) {
    case Action::help:
      print(help(parts.services));
      return kExitOk;
    case Action::version:
      print("cpssd " CPSS_VERSION "\n");
      return kExitOk;
    case Action::sample_config:
      print(sample_yaml());
      return kExitOk;
    case Action::print_config:
      print(print_config(loaded));
      return kExitOk;
    case Action::check_config:
      return check_config(loaded, parts, environment);
    case Action::run:
      break;
  }
  return serve(loaded, parts, environment);
}

// Turns every failure into a message and an exit code.
int run_to_exit_code(int argc, const char* const* argv, const char* const* environment,
                     const ServerParts& parts) {
  try {
    require_main_stack(kMainStackBytes, "the server's main thread needs");
    LoadResult loaded = load_settings(argc, argv, environment, parts.input_patience);
    if (!loaded.ok()) return complain_about_settings(loaded);
    return act(loaded, parts, environment);
  } catch (...) {
    return complain_about_exception();
  }
}

}  // namespace

int run_server(int argc, const char* const* argv, const char* const* environment,
               const ServerParts& parts) {
  secure_signals();
  secure_standard_streams();
  const int exit_code = run_to_exit_code(argc, argv, environment, parts);
  flush_standard_error();
  return exit_code;
}

}  // namespace cpss
