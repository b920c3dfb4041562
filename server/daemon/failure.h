// What the server says of what keeps it from starting, and the exit code.
//
// Main thread.
#pragma once

#include "config/load.h"

namespace cpss {

// Says what is wrong with the settings. Returns the exit code.
int complain_about_settings(const LoadResult& loaded);

// Called where an exception has been caught: says what it is, and what to do about it. Returns the
// exit code.
int complain_about_exception();

}  // namespace cpss
