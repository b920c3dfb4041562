// getstat: what a cpss server is doing, read from its stats region.
#include <exception>

#include "base/early_signals.h"
#include "tools/getstat/options.h"
#include "tools/getstat/output.h"
#include "tools/getstat/run.h"

int main(int argc, char** argv) {
  cpss::end_at_once_on_signals();
  try {
    return cpss::getstat::run(cpss::getstat::parse_options(argc, argv));
  } catch (const std::exception& error) {
    cpss::getstat::complain(error.what());
    return cpss::getstat::kNoRegion;
  }
}
