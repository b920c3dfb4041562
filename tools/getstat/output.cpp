#include "tools/getstat/output.h"

#include <cstdio>

namespace cpss::getstat {

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

bool flush() {
  // A flush that failed has thrown away its text: only the stream's error mark tells of it later.
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

void complain(const std::string& text) {
  std::fputs(("getstat: " + text + '\n').c_str(), stderr);
}

}  // namespace cpss::getstat
