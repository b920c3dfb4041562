// The output of getstat. None of these functions throws if it cannot be written (a full disk, a
// closed descriptor). Main thread.
#pragma once

#include <string>

namespace cpss::getstat {

// To standard output; flush() tells whether it was written.
void print(const std::string& text);
// Writes all that was printed until now; false if any of it could not be written.
bool flush();
// One line to standard error; it is lost if it cannot be written.
void complain(const std::string& text);

}  // namespace cpss::getstat
