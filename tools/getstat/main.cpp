// getstat: what a cpss server is doing, read from its stats region.
#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "tools/getstat/options.h"
#include "tools/getstat/run.h"

int main(int argc, char** argv) {
  try {
    return cpss::getstat::run(cpss::getstat::parse_options(argc, argv));
  } catch (const std::exception& error) {
    fmt::print(stderr, "getstat: {}\n", error.what());
    return cpss::getstat::kNoRegion;
  }
}
