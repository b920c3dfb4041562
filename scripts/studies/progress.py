"""Says how far a study is: one line that changes on a terminal, a line for each case elsewhere."""

import sys
import time


def minutes(seconds: float) -> str:
    seconds = max(0, round(seconds))
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


class Progress:
    """Counts what is run now; what an earlier run left is no part of the count."""

    def __init__(self, total: int, expected_s: float):
        self._total = total
        self._expected_s = expected_s  # of all, at first a guess
        self._stream = sys.stderr
        self._live = self._stream.isatty()
        self._done = 0
        self._begin = time.monotonic()

    def begin(self, name: str) -> None:
        if self._live:
            self._stream.write(f"\r\033[K[{self._done + 1}/{self._total}] {name} ... "
                               f"about {minutes(self._left_s())} left")
            self._stream.flush()

    def end(self, name: str, verdict: str) -> None:
        self._done += 1
        start = "\r\033[K" if self._live else ""
        left = f", about {minutes(self._left_s())} left" if self._done < self._total else ""
        print(f"{start}[{self._done}/{self._total}] {name}: {verdict}{left}", file=self._stream,
              flush=True)

    def note(self, text: str) -> None:
        print(f"\r\033[K{text}" if self._live else text, file=self._stream, flush=True)

    def _left_s(self) -> float:
        passed = time.monotonic() - self._begin
        if self._done == 0:
            return self._expected_s - passed
        return passed / self._done * (self._total - self._done)
