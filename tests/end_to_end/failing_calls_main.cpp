// Runs a program with system calls that fail: failing-calls ERROR CALL[,CALL...] PROGRAM
// [ARGUMENT...], with the numbers of the error and the calls.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <unistd.h>

#include "tests/support/failing_calls.h"

int main(int argc, char** argv) {
  if (argc < 4) return 99;
  try {
    std::vector<long> calls;
    const std::string list = argv[2];
    for (std::size_t at = 0, used = 0; at < list.size(); at += used + 1)
      calls.push_back(std::stol(list.substr(at), &used));
    cpss::test::let_calls_fail(calls, std::atoi(argv[1]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "failing-calls: %s\n", error.what());
    return 99;
  }
  execv(argv[3], argv + 3);
  std::fprintf(stderr, "failing-calls: %s: %s\n", argv[3], std::strerror(errno));
  return 99;
}
