// Loads settings: command line over environment over YAML file over default.
//
// load_settings() forks a child that parses the YAML file (yaml_file.h), so it must be called
// before the process has a second thread. The other functions have no such condition. No function
// here writes to a terminal or ends the process: the caller prints and exits.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/exit_codes.h"
#include "base/patient_file.h"
#include "config/action.h"
#include "config/origin.h"
#include "config/settings.h"

namespace cpss {

struct LoadResult {
  Settings settings;                      // complete only if there are no errors
  std::array<Origin, kSettings> origins;  // by Setting
  Action action = Action::run;
  std::vector<std::string> errors;  // all that were found, each one line without a line end
  int exit_code = 0;                // 0 exactly if there are no errors; kExitUsage before
                                    // kExitConfig if there are errors of both kinds

  // How long a file that is read may give nothing, like a pipe that no process writes to.
  std::chrono::milliseconds input_patience = kInputPatience;

  bool ok() const noexcept { return errors.empty(); }
  const Origin& origin(Setting setting) const noexcept {
    return origins[static_cast<std::size_t>(setting)];
  }
  bool is_set(Setting setting) const noexcept { return origin(setting).source != Source::built_in; }
};

// `environment` is an environ(7) array or null. The actions help, version and sample_config read
// neither it nor a file, so they work even if those have errors. Throws as read_yaml_file(), and
// std::bad_alloc.
LoadResult load_settings(int argc, const char* const* argv, const char* const* environment,
                         std::chrono::milliseconds input_patience = kInputPatience);

// The settings that an empty command line, environment and file give.
Settings default_settings();

// The line for an error that only the caller can see, such as an unknown service, in the form of
// the loader's own: `CPSS_SERVICE: 'lokup' is not a service`. `problem` follows the value.
std::string error_about(const LoadResult& loaded, Setting setting, const std::string& problem);

}  // namespace cpss
