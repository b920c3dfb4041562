"""Instructions of user space that a message takes: tests/bench/instructions.cpp under callgrind."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from studies.errors import CaseFailed

BATCHES = 500
MESSAGES = 32  # in a batch
# The program's words: a lane of this kind, with arrivals of that kind.
LANES: Mapping[str, Sequence[str]] = {
    f"{lane}, {arrivals}": (kind, how)
    for lane, kind in (("cpssd", "lanes"), ("cpssd, pools", "pools"))
    for arrivals, how in (("plain", "plain"), ("32 merged", "merged"))}


def why_not_counted() -> str:
    return "" if shutil.which("valgrind") else "valgrind is missing: run scripts/setup study"


def instructions_per_message(program: Path, lane: str) -> float:
    """What twice as many batches take more: so it has nothing of the start."""
    once, twice = (_counted([program, *LANES[lane], str(times * BATCHES)]) for times in (1, 2))
    return (twice - once) / (BATCHES * MESSAGES)


def _counted(command: Sequence) -> int:
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                          *command], capture_output=True, text=True, check=False, timeout=600)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found:
        raise CaseFailed(f"callgrind: exit code {run.returncode}: {run.stderr.strip()[-500:]}")
    return int(found[1])
