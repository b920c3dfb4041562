#include "tools/getstat/run.h"

#include <string>
#include <thread>

#include <fmt/format.h>

#include "stats/format_count.h"
#include "stats/reader.h"
#include "stats/verification.h"
#include "tools/getstat/json.h"
#include "tools/getstat/output.h"
#include "tools/getstat/table.h"
#include "tools/getstat/units.h"
#include "tools/getstat/watch.h"

namespace cpss::getstat {
namespace {

int exit_code_of(const Reading& reading) {
  if (!reading.snapshot) return kNoRegion;
  const bool serves = reading.state != RegionState::stale && reading.state != RegionState::hung;
  return serves ? kGood : kNotServing;
}

int show_once(const Options& options) {
  const Reading reading = RegionReader(options.file).read();
  if (!reading.snapshot) complain(reading.problem);
  if (options.json)
    print(format_json(reading));
  else if (reading.snapshot)
    print(format_table(reading, nullptr, options.file));
  return exit_code_of(reading);
}

std::string format_situation(const Verification& verification) {
  using Situation = Verification::Situation;
  const Reading& reading = verification.reading;
  switch (verification.situation) {
    case Situation::at_rest:
      return "at rest: nothing moves, every residual has to be 0\n";
    case Situation::standing:
      return fmt::format(
          "standing: nothing moved for 1 s with {} inside, the residual has to be 0 all the same\n",
          format_signed_count(ledger_of(*reading.snapshot).in_flight));
    case Situation::moving:
      return "under traffic: no rest within 1 s, the bounds that always hold are checked\n";
    case Situation::silent:
      break;
  }
  return fmt::format(
      "no sign of life for {}: the server may have stopped in the middle of its work, so only the "
      "bounds that always hold are checked\n",
      format_duration(static_cast<double>(reading.heartbeat_age_ns()) / 1e9));
}

std::string format_verification(const Verification& verification) {
  std::string text = format_situation(verification);
  for (const Identity& identity : verification.checked) text += format_identity(identity) + '\n';
  if (!verification.holds()) return text + "THE LEDGER DOES NOT BALANCE\n";
  const bool silent = verification.situation == Verification::Situation::silent;
  return text + (silent ? "the bounds hold\n" : "the ledger balances\n");
}

int verify_ledger(const Options& options) {
  RegionReader reader(options.file);
  Reading reading;
  const auto read = [&] {
    reading = reader.read();
    return reading;
  };
  const auto pause = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); };
  const std::optional<Verification> verification = verify(read, pause);
  if (!reading.snapshot) {
    complain(reading.problem);
    if (options.json) print(format_json(reading));
    return kNoRegion;
  }
  if (!verification) {
    complain("the server was restarted during the verification: run it again");
    return kNoRegion;
  }
  if (options.json) {
    print(format_json(reading));
    for (const Identity& identity : verification->checked)
      if (!identity.holds()) complain(format_identity(identity));
  } else {
    print(format_header(reading, options.file) + '\n' + format_verification(*verification));
  }
  if (const int code = exit_code_of(reading); code != kGood) return code;
  return verification->holds() ? kGood : kIdentityBroken;
}

}  // namespace

int run(const Options& options) {
  int code = kGood;
  bool written = true;
  if (options.help)
    print(help_text());
  else if (options.version)
    print(version_text());
  else if (options.watch)
    written = watch(options.file, *options.watch);
  else
    code = options.verify ? verify_ledger(options) : show_once(options);
  if (!flush() || !written) {
    complain("cannot write to standard output");
    return kNoRegion;
  }
  return code;
}

}  // namespace cpss::getstat
