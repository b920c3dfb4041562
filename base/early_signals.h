// Signals from the first moment of a program on.
#pragma once

namespace cpss {

// Whether it is ignored: whoever started us wants it so, nohup(1) or a shell's background job.
bool is_ignored(int signal) noexcept;
// Whether it does what signal(7) says: nobody has taken it for something else, a profiler for
// instance that was loaded into this process.
bool has_default_effect(int signal) noexcept;

// To be called first: SIGINT, SIGTERM, SIGHUP, SIGQUIT and those that say that a time is over
// (SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU) end the process at once, as they do by default, until the
// program takes them for itself by blocking them. That needs doing where whoever started us had
// them blocked, which outlives execve(2), and for process 1 of a PID namespace, a container's: from
// that the kernel keeps every signal it has no handler for (pid_namespaces(7)). What is ignored
// stays ignored.
void end_at_once_on_signals() noexcept;

}  // namespace cpss
