// Makes standard input, output and error of the process safe to use.
#pragma once

#include <string>

namespace cpss {

// To be called before anything is opened and any thread is started. Puts /dev/null in the place of
// each of the three that is closed, so that no socket or file of ours gets its number and is
// written to as if it were the log. From then on a pipe that no process reads, or a file that has
// reached its limit, is the error of a call and not the end of the process: the server outlives the
// reader of its log. Nor does std::terminate() wait until its text is read.
void secure_standard_streams();

// Writes to standard output. Throws std::system_error if not all of it could be written.
void print(const std::string& text);

// Writes "cpssd: error: ..." to standard error, a line for each of `errors`. A line that cannot be
// written is lost. Does not wait; the lines come after those of the log. It may start a thread, so
// it must not be called before the process has forked children that must not have one.
void complain(const std::string& errors);

}  // namespace cpss
