"""What figures depend on besides the code: the machine, and the commit."""

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

REAL_TIME_PRIORITY = 10


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _field(text: str, name: str) -> str:
    """The value behind the first `name :` of a file such as cpuinfo."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def allowed_cpus() -> tuple[int, ...]:
    return tuple(sorted(os.sched_getaffinity(0)))


def split_cpus(count: int, allowed: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """CPUs of the server, the last ones, and of the client: the others, or all if there are none.
    """
    server = tuple(allowed[-count:])
    return server, tuple(cpu for cpu in allowed if cpu not in server) or tuple(allowed)


def cpu_list(cpus: Iterable[int]) -> str:
    """0,1,2,5 as 0-2,5."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def _mitigations() -> str:
    """One line: how the kernel was told, and what it does about each weakness that is there."""
    told = [word for word in _text("/proc/cmdline").split() if word.startswith("mitigations=")]
    folder = Path("/sys/devices/system/cpu/vulnerabilities")
    states = [(path.name, _text(str(path))) for path in sorted(folder.glob("*"))]
    return "; ".join(told + [f"{name}: {state}" for name, state in states
                             if state and state != "Not affected"])


def facts() -> dict:
    """The machine as records have it. Equal facts: figures may be compared."""
    memory_kib = int((_field(_text("/proc/meminfo"), "MemTotal").split() or ["0"])[0])
    return {
        "cpu": _field(_text("/proc/cpuinfo"), "model name") or platform.machine(),
        "cpus_allowed": cpu_list(allowed_cpus()),
        "memory_gib": round(memory_kib / 2**20),
        "kernel": platform.release(),
        "rmem_max": int(_text("/proc/sys/net/core/rmem_max") or 0),
        "mitigations": _mitigations(),
    }


def commit(project: Path) -> str:
    """The commit of the sources, with -dirty behind it where they were changed."""
    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", project, *arguments], capture_output=True, text=True,
                              check=True).stdout.strip()
    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def why_no_real_time() -> str:
    """Why threads cannot be put into the real-time class here; empty if they can."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REAL_TIME_PRIORITY))
    except OSError as error:
        return f"no real-time class here: {error.strerror}"
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return ""
