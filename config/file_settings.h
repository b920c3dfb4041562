// Settings from a parsed YAML file: checks its keys, and the shapes of their values.
#pragma once

#include <string>

#include "config/raw_setting.h"
#include "config/yaml_document.h"

namespace cpss {

// `file` is the file's name as the user wrote it, for origins and errors.
RawSettings settings_of(const YamlDocument& document, const std::string& file);

}  // namespace cpss
