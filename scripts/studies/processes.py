"""Child processes on chosen CPUs that never outlive the study, not even after a kill -9."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import IO

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def start(arguments: Sequence[str | os.PathLike], cpus: Sequence[int], stdout: IO, stderr: IO,
          settings: Mapping[str, str] | None = None) -> subprocess.Popen:
    """Starts a program on these CPUs. Of the CPSS_ variables it sees only `settings`. It has a
    session of its own: Ctrl-C is for the study, which then stops its children itself. To be called
    by the main thread only: the child dies with the thread that started it."""
    parent = os.getpid()

    def in_child() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        os.sched_setaffinity(0, cpus)

    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("CPSS_")}
    return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                            env={**environment, **(settings or {})}, start_new_session=True,
                            preexec_fn=in_child)


def send(child: subprocess.Popen, number: signal.Signals) -> None:
    """To a child that was not reaped yet. (Popen's own way might reap it, and lose what it used.)
    """
    os.kill(child.pid, number)


def reap(child: subprocess.Popen, limit_s: float) -> dict | None:
    """Waits for the end of a child and says what it used; None if it runs on after `limit_s`."""
    end = time.monotonic() + limit_s
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid != 0:
            child.returncode = os.waitstatus_to_exitcode(status)
            return {"user_s": usage.ru_utime, "system_s": usage.ru_stime,
                    "max_resident_kib": usage.ru_maxrss,
                    "voluntary_switches": usage.ru_nvcsw,
                    "involuntary_switches": usage.ru_nivcsw}
        if time.monotonic() >= end:
            return None
        time.sleep(0.02)


def end_now(child: subprocess.Popen) -> None:
    """Kills a child that was not reaped yet."""
    if child.returncode is None:
        send(child, signal.SIGKILL)
        reap(child, 10)
