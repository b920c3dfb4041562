"""Ctrl-C and SIGTERM: noticed at once where that is possible, at the latest before the next case.

Python raises KeyboardInterrupt wherever it happens to be when the signal comes, and in a few places
(a finaliser, a hook around fork) such an exception is printed and dropped. So the signal is
remembered, too."""

import signal

_asked = False


def _remember(*_) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt


def take_over() -> None:
    """From now on both signals mean the same."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _remember)


def check() -> None:
    """Raises KeyboardInterrupt if one of the signals has come."""
    if _asked:
        raise KeyboardInterrupt
