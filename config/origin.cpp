#include "config/origin.h"

#include <fmt/format.h>

namespace cpss {

std::string Origin::text() const {
  switch (source) {
    case Source::built_in:
      return "default";
    case Source::file:
      return fmt::format("{}:{}", name, line);
    case Source::environment:
    case Source::command_line:
      break;
  }
  return name;
}

}  // namespace cpss
