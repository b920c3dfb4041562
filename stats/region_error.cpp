#include "stats/region_error.h"

#include <cerrno>

namespace cpss {

std::string region_advice(int code, std::string_view otherwise) {
  switch (code) {
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (ulimit -n)";
    case EFBIG:
      return "raise the limit of the size of a file (ulimit -f)";
    default:
      return std::string(otherwise);
  }
}

}  // namespace cpss
