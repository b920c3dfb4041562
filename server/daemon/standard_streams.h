// Standard input, output and error of the process, and what may happen to them.
#pragma once

#include <string>

namespace cpss {

// Before anything is opened and any thread is started. Puts /dev/null in the place of each of the
// three that is closed, so that no socket or file of ours gets its number and is written to as if
// it were the log. From then on a pipe that nobody reads, or a file that has reached its limit, is
// the error of a call and not the end of the process: the server outlives the reader of its log.
// Nor does std::terminate() wait for its text to be read.
void secure_standard_streams();

// Writes to standard output. Throws std::system_error if not all of it could be written.
void print(const std::string& text);

// "cpssd: error: ..." on standard error, a line for each of `errors`. Where that cannot be written,
// nobody can be told. Does not wait; behind what the log has said. Not before the process has
// forked what must not have a second thread.
void complain(const std::string& errors);

}  // namespace cpss
