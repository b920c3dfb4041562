"""What processes and the machine take: CPU time, context switches, memory, threads, descriptors;
from /proc."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from studies.errors import CaseFailed

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PARENT, _REAPED_USER, _REAPED_SYSTEM = 1, 13, 14  # fields of stat, counted from behind the name
_IDLE, _IOWAIT, _STEAL = 4, 5, 8  # fields of the first line of /proc/stat


def _number(file: Path, name: str) -> int:
    """The number behind a name. Raises KeyError if there is none, as of a process that has ended
    and was not reaped yet."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def _cpu_s(pid: int) -> float:
    """With the time of its threads, also of those that have ended: the process's clock
    (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


@dataclass(frozen=True)
class Usage:
    """Until now, of a process and all its descendants. Descendants that were reaped add CPU time,
    in ticks, but no switches."""

    cpu_s: float
    switches: int
    processes: int


def usage(pid: int) -> Usage:
    cpu_s = 0.0
    switches = processes = 0
    for member, stat in _family(pid).items():
        try:
            own_switches = _switches(_PROC / str(member))
            own_s = _cpu_s(member)
        except (OSError, KeyError):  # it has ended meanwhile: its parent has or will have its time
            continue
        reaped = int(stat[_REAPED_USER]) + int(stat[_REAPED_SYSTEM])
        cpu_s += own_s + reaped / _TICKS_PER_S
        switches += own_switches
        processes += 1
    return Usage(cpu_s, switches, processes)


def memory_mib(pid: int) -> float:
    """Memory of a process and all its descendants; what several share counts once."""
    kib = 0
    for member in _family(pid):
        try:
            kib += _number(_PROC / str(member) / "smaps_rollup", "Pss")
        except (OSError, KeyError):  # as above
            continue
    return kib / 1024


def machine_idle_s() -> float:
    """Time until now that the machine's CPUs were not busy, all together."""
    fields = (_PROC / "stat").read_text(encoding="ascii").splitlines()[0].split()
    return sum(int(fields[i]) for i in (_IDLE, _IOWAIT, _STEAL)) / _TICKS_PER_S


def _switches(process: Path) -> int:
    return sum(_number(task / "status", kind) for task in (process / "task").iterdir()
               for kind in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"))


def _family(pid: int) -> dict[int, list[str]]:
    """The process and all its descendants, with what stat says of each behind its name."""
    stats = dict(_all_stats())
    children: dict[int, list[int]] = {}
    for member, stat in stats.items():
        children.setdefault(int(stat[_PARENT]), []).append(member)
    family = {}
    found = [pid]
    while found:
        member = found.pop()
        if member in stats:
            family[member] = stats[member]
            found += children.get(member, [])
    return family


def _all_stats() -> Iterator[tuple[int, list[str]]]:
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            yield int(folder.name), text.rpartition(")")[2].split()


@dataclass(frozen=True)
class Sample:
    """One process at one time."""

    cpu_s: float
    resident_kib: int
    max_resident_kib: int
    threads: int
    descriptors: int


def sample(pid: int) -> Sample:
    """Raises CaseFailed if the process has ended."""
    folder = _PROC / str(pid)
    try:
        memory_and_threads = [_number(folder / "status", name)
                              for name in ("VmRSS", "VmHWM", "Threads")]
        return Sample(_cpu_s(pid), *memory_and_threads, len(os.listdir(folder / "fd")))
    except (OSError, KeyError):
        raise CaseFailed(f"process {pid} has ended by itself") from None


class Watch:
    """A context manager that takes a sample when it begins, each `interval_s`, and when it ends."""

    def __init__(self, pid: int, interval_s: float = 1):
        self._pid = pid
        self._interval_s = interval_s
        self._samples: list[Sample] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._samples.append(sample(self._pid))
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._interval_s):
            try:
                self._samples.append(sample(self._pid))
            except CaseFailed:  # noticed by the last sample
                return

    def summary(self) -> dict:
        """The first and the last sample, and one after a tenth of the time; least and most threads
        and descriptors; CPU time between the first and the last. To be called while the process
        still runs."""
        last = sample(self._pid)
        samples = [*self._samples, last]
        first = samples[0]
        counts = {f"{name}_{end}": function(getattr(each, name) for each in samples)
                  for name in ("threads", "descriptors")
                  for end, function in (("least", min), ("most", max))}
        return {"first": asdict(first), "settled": asdict(samples[len(samples) // 10]),
                "last": asdict(last), "cpu_s": last.cpu_s - first.cpu_s, **counts}
