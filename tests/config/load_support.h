// Loads settings from a command line, an environment and a YAML text, as a test writes them down.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"
#include "tests/support/temporary_folder.h"

namespace cpss {

inline LoadResult load(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment = {}) {
  std::vector<const char*> argv{"cpssd"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  std::vector<const char*> variables;
  for (const std::string& variable : environment) variables.push_back(variable.c_str());
  variables.push_back(nullptr);
  return load_settings(static_cast<int>(argv.size()), argv.data(), variables.data());
}

// With `yaml` in a file that errors call FILE. `arguments` come after --config.
inline LoadResult load_yaml(std::string_view yaml, std::vector<std::string> arguments = {},
                            const std::vector<std::string>& environment = {}) {
  const TemporaryFolder folder;
  const std::string path = folder.write("cpssd.yaml", yaml);
  arguments.insert(arguments.begin(), {"--config", path});
  LoadResult result = load(arguments, environment);
  for (std::string& error : result.errors)
    for (std::size_t at; (at = error.find(path)) != std::string::npos;)
      error.replace(at, path.size(), "FILE");
  return result;
}

}  // namespace cpss
