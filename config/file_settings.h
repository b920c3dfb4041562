// Settings from a parsed YAML file: which keys there are, and which shape their values have.
#pragma once

#include <string>

#include "config/raw_setting.h"
#include "config/yaml_document.h"

namespace cpss {

// `file` is the file's name as the user wrote it, for origins and errors.
RawSettings settings_of(const YamlDocument& document, const std::string& file);

}  // namespace cpss
