// Signals from the first moment of a program on.
#pragma once

namespace cpss {

// Whether the process ignores `signal`: nohup(1) or a shell (for background jobs) started it so.
bool is_ignored(int signal) noexcept;
// Whether `signal` does what signal(7) says: nothing in this process handles it, such as a profiler
// that was loaded into it.
bool has_default_effect(int signal) noexcept;

// A program calls this first. Until it blocks them to take them for itself, SIGINT, SIGTERM,
// SIGHUP, SIGQUIT and the signals of expired timers and CPU limits (SIGALRM, SIGVTALRM, SIGPROF,
// SIGXCPU) end the process at once, as they do by default. This is needed where our parent had them
// blocked, which outlives execve(2), and in process 1 of a PID namespace (a container), from which
// the kernel withholds every signal without a handler (pid_namespaces(7)). Ignored signals stay
// ignored.
void end_at_once_on_signals() noexcept;

}  // namespace cpss
