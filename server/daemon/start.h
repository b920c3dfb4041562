// From settings to a running server, and back: a start, up to its end.
//
// Main thread; until the lanes start there is no other but the log's.
#pragma once

#include "config/load.h"
#include "server/daemon/server.h"

namespace cpss {

// Serves until a signal, or silence, ends it, and returns the exit code. Problems of settings are
// said, and added to `loaded`; any other problem is thrown (failure.h).
int serve(LoadResult& loaded, const ServerParts& parts, const char* const* environment);

}  // namespace cpss
