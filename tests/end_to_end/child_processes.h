// The child processes of a server, as ps shows them.
#pragma once

#include <map>
#include <string>

#include <sys/types.h>

namespace cpss {

// Their names by pid, without those that have ended and are not reaped yet.
std::map<pid_t, std::string> children_of(pid_t parent);

// Whether there is such a process, and it has not ended.
bool runs(pid_t process);

}  // namespace cpss
