#include "tests/end_to_end/programs.h"

namespace cpss::program {

const std::string kServer = CPSS_PROGRAM_CPSSD;
const std::string kTestServer = CPSS_PROGRAM_CPSSD_TEST;
const std::string kGetstat = CPSS_PROGRAM_GETSTAT;
const std::string kBlast = CPSS_PROGRAM_UDPBLAST;
const std::string kNumbers = CPSS_PROGRAM_CPSS_NUMBERS;
const std::string kFailingCalls = CPSS_PROGRAM_FAILING_CALLS;

nlohmann::json stats_of(const std::string& stats_file) {
  const Finished getstat = run_program({kGetstat, "--json", "--file", stats_file});
  return nlohmann::json::parse(getstat.output, nullptr, false);
}

}  // namespace cpss::program
