// docs/counters.md has to say the same as stats/metrics.h. Run with UPDATE_GENERATED=1 to rewrite
// it.
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "stats/metrics.h"
#include "stats/troubles.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

constexpr const char* kPage = CPSS_SOURCE_DIR "/docs/counters.md";

// A '|' in the text must not end the table's cell.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

std::string row(const MetricInfo& info) {
  return fmt::format("| `{}` | {} | {} |\n", info.name, cell(info.unit), cell(info.help));
}

std::string expected_page() {
  std::string page =
      "# Counters\n"
      "\n"
      "Everything a server measures, as `getstat` and the stats region name it. All values\n"
      "are unsigned 64-bit, counted for each stage from the start of the server, and never\n"
      "reset. `getstat --json` has all of them, of each stage (`stages`) and of the main\n"
      "thread (`server`). This page is made from `stats/metrics.h` and `stats/troubles.h`:\n"
      "run the test `CountersPageTest` with `UPDATE_GENERATED=1`.\n";
  constexpr std::string_view kTable = "\n| name | unit | meaning |\n|---|---|---|\n";

  page += fmt::format("\n## Counters of each stage\n{}", kTable);
  for (const CounterInfo& counter : kCounters) page += row(counter.info);

  page +=
      "\n## Reasons\n\n"
      "Each message ends for exactly one reason; an outcome is the sum of its reasons.\n"
      "\n| outcome | reason | meaning |\n|---|---|---|\n";
  for (const ReasonInfo& reason : kReasons)
    page += fmt::format("| {} | `{}` | {} |\n", name_of(reason.outcome), reason.name,
                        cell(reason.help));

  page += fmt::format("\n## Gauges\n{}", kTable);
  for (const GaugeInfo& gauge : kGauges) page += row(gauge.info);

  page +=
      "\n"
      "## Troubles\n"
      "\n"
      "What a server may be in trouble with that goes on serving. As long as it is, `getstat`\n"
      "calls it `degraded` and not `live`, and says which of these it is, since when, how\n"
      "many lanes are in it, and the last failure's error or signal (`troubles` in `--json`).\n"
      "The exit code is 0 all the same. What fails is tried again after a pause, 10 ms at\n"
      "first (of a socket's reads 1 ms), twice as long each time, 1 s at most. A trouble is\n"
      "over with the first success, or two seconds after the last failure; `send` only then;\n"
      "`process_death` when a process has ended a message or is a second old, with\n"
      "CPSS_MP=fork a second after the last one died; `cpus` when some of the CPUs are back.\n"
      "Want of room in a socket's send buffer (`failed.send_no_room`) is not `send`: there\n"
      "the way to the peer is slow.\n"
      "\n| trouble | meaning |\n|---|---|\n";
  for (const TroubleInfo& trouble : kTroubles)
    page += fmt::format("| `{}` | {} |\n", trouble.name, cell(trouble.help));

  page += fmt::format(
      "\n## Histograms\n\n"
      "A recorded value is known to within 1/32 (3.2 %), the largest exactly. With "
      "CPSS_HISTOGRAMS=0 there are none.\n{}",
      kTable);
  for (const HistogramInfo& histogram : kHistograms) page += row(histogram.info);
  return page;
}

TEST(CountersPageTest, SaysWhatTheTablesSay) {
  const std::string expected = expected_page();
  if (std::getenv("UPDATE_GENERATED") != nullptr) write_file(kPage, expected);
  EXPECT_EQ(read_file(kPage), expected) << "run this test with UPDATE_GENERATED=1";
}

}  // namespace
}  // namespace cpss
