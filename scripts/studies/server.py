"""A cpssd for one case: started on a free port, watched, stopped, its ledger checked."""

import contextlib
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from studies import processes
from studies.errors import CaseFailed
from studies.programs import Programs

START_LIMIT_S = 60
LOG_LINES = 40


class Server:
    """A context manager: inside it the server is live. Leaving it ends the server in any case;
    `stop` before that ends it in good order. The folder is made anew and removed behind it.
    `program`: another one than cpssd; `environment`: what it is told beside its settings."""

    def __init__(self, programs: Programs, settings: Mapping[str, str], cpus: Sequence[int],
                 folder: Path, program: Path | None = None,
                 environment: Mapping[str, str] | None = None):
        self._programs = programs
        self._program = program or programs.cpssd
        self._cpus = cpus
        self._folder = folder
        self.region = folder / "stats"
        self._log = folder / "cpssd.log"
        self._drain_s = float(settings.get("CPSS_DRAIN_TIMEOUT", "5"))
        self._settings = {**settings, **(environment or {}), "CPSS_LISTEN": "127.0.0.1:0",
                          "CPSS_STATS_FILE": str(self.region)}
        self._child: subprocess.Popen | None = None
        self.port = 0

    def __enter__(self) -> "Server":
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        with open(self._log, "w", encoding="utf-8") as log:
            self._child = processes.start([self._program], self._cpus, log, log,
                                          self._settings)
        try:
            self._wait_until_live()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        processes.end_now(self._child)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        return self._child.pid

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Inside it the server stands still, as a whole."""
        processes.send(self._child, signal.SIGSTOP)
        try:
            yield
        finally:
            processes.send(self._child, signal.SIGCONT)

    def log_tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    def stats(self) -> dict:
        """What getstat --json says now; also after the end."""
        run = self._getstat("--json")
        try:
            return json.loads(run.stdout)
        except json.JSONDecodeError:
            raise CaseFailed(f"getstat: exit code {run.returncode}: {run.stderr}") from None

    def received(self) -> int:
        """Datagrams that were taken in until now."""
        return self.stats()["ledger"]["received"]

    def stop(self) -> dict:
        """Ends the server by SIGTERM, by SIGKILL if that takes too long, and says how it ended.
        Raises CaseFailed if that was not in good order."""
        processes.send(self._child, signal.SIGTERM)
        usage = processes.reap(self._child, self._drain_s + 15)
        if usage is None:
            processes.end_now(self._child)
            raise CaseFailed(f"the server did not end: killed\n{self.log_tail()}")
        if self._child.returncode != 0:
            raise CaseFailed(f"the server ended with exit code {self._child.returncode}\n"
                             f"{self.log_tail()}")
        return {"exit_code": 0, **usage, "log_tail": self.log_tail()}

    def check_ledger(self) -> str:
        """What getstat --verify says after the end. Raises CaseFailed if they do not balance."""
        run = self._getstat("--verify")
        if run.returncode != 0:
            raise CaseFailed(f"the ledger does not balance: getstat --verify, exit code "
                             f"{run.returncode}\n{run.stdout}{run.stderr}")
        return run.stdout

    def _getstat(self, *options: str) -> subprocess.CompletedProcess:
        command = [self._programs.getstat, "--file", self.region, *options]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        except subprocess.TimeoutExpired:
            raise CaseFailed("getstat did not end within 60 s") from None

    def _wait_until_live(self) -> None:
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            if processes.reap(self._child, 0) is not None:
                raise CaseFailed(f"the server did not start: exit code {self._child.returncode}\n"
                                 f"{self.log_tail()}")
            if self.region.exists():
                stats = self.stats()
                if stats["state"] in ("live", "degraded"):
                    self.port = int(stats["listen"][0].rpartition(":")[2])
                    return
            time.sleep(0.02)
        raise CaseFailed(f"the server was not live within {START_LIMIT_S} s\n{self.log_tail()}")
