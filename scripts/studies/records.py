"""Records: one file for each finished repeat of a case, so that an interrupted study goes on."""

import datetime
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from studies.cases import Case
from studies.errors import CannotRun

FORMAT = 1
DONE, FAILED, SKIPPED = "done", "failed", "skipped"


def digest(value) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Record:
    """What became of one repeat of a case."""

    experiment: str
    name: str
    repeat: int
    parameters: dict
    identity: dict  # commit, programs, machine
    status: str  # DONE, FAILED or SKIPPED
    reason: str = ""  # of a failure or a skip
    results: dict = field(default_factory=dict)  # what the runner returned
    finished_at: str = ""
    took_s: float = 0
    format: int = FORMAT

    @property
    def labels(self) -> dict:
        return self.parameters["labels"]


def new_record(case: Case, repeat: int, identity: dict, status: str, **more) -> Record:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
    return Record(case.experiment, case.name, repeat, case.parameters(), identity, status,
                  finished_at=now, **more)


def result_of(record: Record) -> str:
    """In one line: done, or what became of it instead and the first line of why."""
    if record.status == DONE:
        return DONE
    reason = record.reason.splitlines()[0] if record.reason else "for no known reason"
    return f"{'FAILED' if record.status == FAILED else record.status}: {reason}"


def write_whole(path: Path, text: str) -> None:
    """The file is there whole or not at all, also after a kill -9 or a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


class Store:
    """The records of one commit, build and machine. Others' are left alone and never mixed in."""

    def __init__(self, folder: Path, identity: dict):
        self.identity = identity
        self._folder = folder / f"{identity['commit']}-{digest(identity)}"

    def find(self, case: Case, repeat: int) -> Record | None:
        """A record of this very case; a failed or skipped one counts as none."""
        record = _load(self._path(case, repeat))
        return record if record is not None and record.status == DONE else None

    def find_all(self, cases: Sequence[Case], repeats: int) -> list[Record]:
        """The records that are there of these cases, each run so often."""
        return [record for repeat in range(1, repeats + 1) for case in cases
                if (record := self.find(case, repeat)) is not None]

    def save(self, record: Record, case: Case) -> None:
        write_whole(self._path(case, record.repeat), json.dumps(asdict(record), indent=1) + "\n")

    def forget(self, experiments: Iterable[str]) -> None:
        for experiment in experiments:
            shutil.rmtree(self._folder / experiment, ignore_errors=True)

    def _path(self, case: Case, repeat: int) -> Path:
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "_", case.name)
        return (self._folder / case.experiment /
                f"{slug}.{digest(case.parameters())}.{repeat}.json")


def _load(path: Path) -> Record | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Record(**data) if data.get("format") == FORMAT else None


def newest(folder: Path, experiment: str) -> list[Record]:
    """All records of an experiment that have commit, build, machine and series of its newest
    record, and the newest only where a case was recorded with several parameters; in order of
    time."""
    records = [record for path in folder.glob(f"*/{experiment}/*.json")
               if (record := _load(path)) is not None]
    records.sort(key=lambda record: record.finished_at)
    cases = {(record.name, record.repeat): record for record in records
             if (record.identity, record.parameters["series"]) ==
             (records[-1].identity, records[-1].parameters["series"])}
    return list(cases.values())


class Output:
    """A study's output folder, held by one study at a time: records for all, tables and charts in a
    folder for each. The servers' regions are in memory, where they disturb nobody."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.scratch = Path("/dev/shm") / f"cpss-study-{digest(str(folder.resolve()))}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = open(folder / ".lock", "w", encoding="utf-8")
        except OSError as error:
            raise CannotRun(f"cannot write to {folder}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise CannotRun(f"another study is writing to {folder}") from None

    def close(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._lock.close()
