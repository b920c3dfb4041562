// The default path of the stats region. Server and readers call the same function, so each user's
// tools find that user's server without being told.
//
//   root            /run/cpss/stats
//   other users     $XDG_RUNTIME_DIR/cpss/stats, if that is a folder of theirs
//   else            $TMPDIR/cpss-UID/stats, with /tmp for a TMPDIR that is not an absolute path
//
// Reads the environment: not to be called while another thread changes it.
#pragma once

#include <string>

namespace cpss {

std::string default_region_path();

// The same path; its folder exists afterwards, belongs to this user, and no other user can put
// files into it (under the temporary directory: nor look into it, mode 0700). Throws
// StatsRegionError: a folder that others prepared is never used.
std::string prepare_default_region_path();

// The folder of the file at that path; "." for a name alone. A pure function.
std::string folder_of(const std::string& path);

}  // namespace cpss
