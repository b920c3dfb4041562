"""What a server takes that may be several processes: CPU time, context switches, memory; of the
process that was started and all its descendants, from /proc."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PARENT, _REAPED_USER, _REAPED_SYSTEM = 1, 13, 14  # fields of stat, counted from behind the name


@dataclass(frozen=True)
class Usage:
    """Until now. Of descendants that were reaped CPU time is counted, in ticks, but no switches."""

    cpu_s: float
    switches: int
    processes: int


def usage(pid: int) -> Usage:
    cpu_s = 0.0
    switches = processes = 0
    for member, stat in _family(pid).items():
        try:
            own_switches = _switches(_PROC / str(member))
            own_s = _own_cpu_s(member)
        except OSError:  # it has ended meanwhile: its parent has or will have its time
            continue
        reaped = int(stat[_REAPED_USER]) + int(stat[_REAPED_SYSTEM])
        cpu_s += own_s + reaped / _TICKS_PER_S
        switches += own_switches
        processes += 1
    return Usage(cpu_s, switches, processes)


def memory_mib(pid: int) -> float:
    """What the processes have in memory, of what several share each its part."""
    kib = 0
    for member in _family(pid):
        try:
            kib += _value(_PROC / str(member) / "smaps_rollup", "Pss:")
        except OSError:  # as above
            continue
    return kib / 1024


def _own_cpu_s(pid: int) -> float:
    """With that of its threads, ended ones too: the process's clock (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def _switches(process: Path) -> int:
    return sum(_value(task / "status", "voluntary_ctxt_switches:")
               + _value(task / "status", "nonvoluntary_ctxt_switches:")
               for task in (process / "task").iterdir())


def _value(file: Path, name: str) -> int:
    """The number behind a name; 0 where there is none."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


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
