"""The programs under study: where they are, what they can do, which ones they are."""

import functools
import hashlib
import re
import subprocess
from pathlib import Path

from studies.errors import CannotRun

PROJECT = Path(__file__).resolve().parent.parent.parent
TARGETS = ("cpssd", "getstat", "udpblast", "cpssd-test", "floor", "instructions")


def build_release() -> Path:
    """Builds what is measured, so that it is what the sources say. Returns the build folder."""
    folder = PROJECT / "build/release"
    commands = [["cmake", "--build", "--preset", "release", "--target", *TARGETS]]
    if not (folder / "build.ninja").is_file():
        commands.insert(0, ["cmake", "--preset", "release"])
    _run(commands)
    return folder


def build_uncounted() -> Path:
    """Builds a server that counts nothing, and returns it."""
    folder = PROJECT / "build/uncounted"
    _run([["cmake", "-S", PROJECT, "-B", folder, "-G", "Ninja", "-DBUILD_TESTING=OFF",
           "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCPSS_UNCOUNTED=ON"],
          ["cmake", "--build", folder, "--target", "cpssd"]])
    return folder / "server/cpssd"


def _run(commands: list[list]) -> None:
    for command in commands:
        try:
            run = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, check=False)
        except FileNotFoundError:
            raise CannotRun("cmake is missing: run scripts/setup") from None
        if run.returncode != 0:
            raise CannotRun(f"the build failed:\n{run.stdout}")


class Programs:
    """The programs of one build folder."""

    def __init__(self, build: Path):
        self.cpssd = build / "server/cpssd"
        self.getstat = build / "tools/getstat/getstat"
        self.udpblast = build / "tools/udpblast/udpblast"
        # cpssd with services that misbehave on demand; not every study needs it.
        self.test_server = build / "tests/end_to_end/cpssd-test"
        # The bare loops that the bench compares with.
        self.floor = build / "tests/bench/floor"
        # The server's steps without a kernel, whose instructions the bench counts.
        self.instructions = build / "tests/bench/instructions"
        for program in (self.cpssd, self.getstat, self.udpblast):
            if not program.is_file():
                raise CannotRun(f"{program} is missing: cmake --build --preset release")
        if not re.search(r"-Q\b", self._help(self.udpblast)):
            raise CannotRun(f"{self.udpblast} has no open loop (-Q): build it again")

    @staticmethod
    def _help(program: Path) -> str:
        return subprocess.run([program, "--help"], capture_output=True, text=True, check=False,
                              timeout=60).stdout

    @functools.cached_property
    def client_knows_work(self) -> bool:
        """Whether udpblast tells the classes of service work apart."""
        return re.search(r"--work\b", self._help(self.udpblast)) is not None

    @functools.cached_property
    def settings(self) -> frozenset[str]:
        """The CPSS_ variables that the server knows."""
        return frozenset(re.findall(r"\bCPSS_[A-Z_]+", self._help(self.cpssd)))

    @functools.cached_property
    def digest(self) -> str:
        """Tells builds apart that have the same commit, such as those of changed sources."""
        digest = hashlib.sha256()
        for program in (self.cpssd, self.getstat, self.udpblast, self.test_server, self.floor):
            if program.is_file():
                digest.update(program.read_bytes())
        return digest.hexdigest()[:16]
