"""What a running process takes: CPU time, memory, threads, descriptors; from /proc."""

import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from studies.errors import CaseFailed

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    cpu_s: float
    resident_kib: int
    max_resident_kib: int
    threads: int
    descriptors: int


def sample(pid: int) -> Sample:
    """Raises CaseFailed if the process has ended."""
    try:
        return _sample(Path(f"/proc/{pid}"))
    except (OSError, KeyError):  # of a process that was not reaped yet some lines are missing
        raise CaseFailed(f"process {pid} has ended by itself") from None


def _sample(folder: Path) -> Sample:
    status = dict(line.split(":", 1) for line in
                  (folder / "status").read_text(encoding="utf-8").splitlines() if ":" in line)
    behind_name = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system = (int(ticks) for ticks in behind_name[11:13])
    return Sample((user + system) / _TICKS_PER_S, *(int(status[name].split()[0]) for name in
                                                    ("VmRSS", "VmHWM", "Threads")),
                  len(os.listdir(folder / "fd")))


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
