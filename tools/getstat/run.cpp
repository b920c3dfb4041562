#include "tools/getstat/run.h"

#include <cstdio>
#include <string>
#include <thread>

#include <fmt/format.h>

#include "stats/reader.h"
#include "stats/verification.h"
#include "tools/getstat/json.h"
#include "tools/getstat/table.h"
#include "tools/getstat/watch.h"

namespace cpss::getstat {
namespace {

void complain(const std::string& text) {
  fmt::print(stderr, "getstat: {}\n", text);
}

int exit_code_of(const Reading& reading) {
  if (!reading.snapshot) return kNoRegion;
  return reading.state == RegionState::stale ? kStale : kGood;
}

int show_once(const Options& options) {
  const Reading reading = RegionReader(options.file).read();
  if (!reading.snapshot) complain(reading.problem);
  if (options.json)
    fmt::print("{}", format_json(reading));
  else if (reading.snapshot)
    fmt::print("{}", format_table(reading, nullptr, options.file));
  return exit_code_of(reading);
}

std::string format_verification(const Verification& verification) {
  std::string text = verification.at_rest
                         ? "at rest: nothing moves, every residual has to be 0\n"
                         : "under traffic: no rest within 1 s, the bounds that always hold are "
                           "checked\n";
  for (const Identity& identity : verification.checked) text += format_identity(identity) + '\n';
  text += verification.holds() ? "the ledger balances\n" : "THE LEDGER DOES NOT BALANCE\n";
  return text;
}

int verify_ledger(const Options& options) {
  RegionReader reader(options.file);
  Reading reading;
  const auto read = [&] {
    reading = reader.read();
    return reading.snapshot;
  };
  const auto pause = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); };
  const std::optional<Verification> verification = verify(read, pause);
  if (!reading.snapshot) {
    complain(reading.problem);
    if (options.json) fmt::print("{}", format_json(reading));
    return kNoRegion;
  }
  if (!verification) {
    complain("the server was restarted during the verification: run it again");
    return kNoRegion;
  }
  reading.snapshot = verification->snapshot;
  if (options.json) {
    fmt::print("{}", format_json(reading));
    for (const Identity& identity : verification->checked)
      if (!identity.holds()) complain(format_identity(identity));
  } else {
    fmt::print("{}\n{}", format_header(reading, options.file), format_verification(*verification));
  }
  if (reading.state == RegionState::stale) return kStale;
  return verification->holds() ? kGood : kIdentityBroken;
}

}  // namespace

int run(const Options& options) {
  int code = kGood;
  if (options.help)
    fmt::print("{}", help_text());
  else if (options.version)
    fmt::print("{}", version_text());
  else if (options.watch)
    watch(options.file, *options.watch);
  else
    code = options.verify ? verify_ledger(options) : show_once(options);
  if (std::fflush(stdout) != 0) {
    complain("cannot write to standard output");
    return kNoRegion;
  }
  return code;
}

}  // namespace cpss::getstat
