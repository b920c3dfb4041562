"""How a study ends early."""

EXIT_DONE = 0
EXIT_FAILED = 1  # a case failed, or its ledger did not balance
EXIT_CANNOT_RUN = 2
EXIT_USAGE = 64
EXIT_INTERRUPTED = 130


class CannotRun(Exception):
    """Nothing can be measured here; the text says why and what to do."""


class WrongUsage(Exception):
    """The command line asks for what does not exist."""


class CaseFailed(Exception):
    """One case went wrong; the others can still be run."""
