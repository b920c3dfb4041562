// The child processes of a server, as ps would show them.
#pragma once

#include <map>
#include <string>

#include <sys/types.h>

namespace cpss {

// Their names by pid. Those that have ended and wait for their parent to see it are left out.
std::map<pid_t, std::string> children_of(pid_t parent);

// Whether there is such a process, and it has not ended.
bool runs(pid_t process);

}  // namespace cpss
