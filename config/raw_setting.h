// Settings as one source gives them, before their values are checked.
#pragma once

#include <string>
#include <vector>

#include "config/origin.h"
#include "config/settings.h"

namespace cpss {

struct RawPiece {
  std::string text;
  unsigned line = 0;  // of the text itself, as in Origin
  unsigned column = 0;
};

struct RawSetting {
  Setting setting;
  Origin origin;
  std::vector<RawPiece> pieces;  // one; for a YAML list, any number
};

struct RawSettings {
  std::vector<RawSetting> settings;
  std::vector<std::string> errors;  // one line each: unknown names, duplicates and such
};

}  // namespace cpss
