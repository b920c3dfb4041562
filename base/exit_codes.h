// cpssd's exit codes (the numbers of sysexits.h where it has one).
#pragma once

namespace cpss {

enum ExitCode : int {
  kExitOk = 0,
  kExitForced = 1,        // forced end, or the drain took longer than CPSS_DRAIN_TIMEOUT
  kExitUsage = 64,        // unknown option, missing argument
  kExitData = 66,         // data file missing, unreadable or wrong
  kExitUnavailable = 69,  // an address in use, or not there yet: another start may succeed
  kExitInternal = 70,
  kExitRegion = 73,  // no stats region can be made
  kExitPermission = 77,
  kExitConfig = 78,  // bad value, from any source
};

}  // namespace cpss
