// What getstat prints, wherever it goes: a full disk, a closed descriptor. Nothing here throws
// because of that. Main thread.
#pragma once

#include <string>

namespace cpss::getstat {

// To standard output. Whether that works: flush().
void print(const std::string& text);
// Whether all that was printed until now has been taken.
bool flush();
// One line to standard error. What cannot be told is not told.
void complain(const std::string& text);

}  // namespace cpss::getstat
