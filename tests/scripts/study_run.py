"""Shared by the tests of studies' commands: runs one in quick mode and reads its output."""

import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from script_test import PROJECT, ScriptTest

sys.path.insert(0, str(PROJECT / "scripts"))

from studies.records import Record

PROGRAMS = ("server/cpssd", "tools/getstat/getstat", "tools/udpblast/udpblast")


class Build:
    folder = Path()


def run_study(script, output, *options, build=None):
    """Runs a study; returns its exit code and all that it printed."""
    run = subprocess.run([PROJECT / "scripts" / script, "--quick", "--output", output,
                          "--build", build or Build.folder, *options], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False, timeout=280)
    return run.returncode, run.stdout


def folder_of(test_case):
    """A folder for a test case, removed with it."""
    folder = tempfile.TemporaryDirectory()
    test_case.addClassCleanup(folder.cleanup)
    return Path(folder.name)


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_markdown_table(path):
    """The lines of the table as dicts, with numbers in the format of the CSV file."""
    lines = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
             for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    head, _, *rest = lines
    return [dict(zip(head, [re.sub(r"(?<=\d),(?=\d{3})", "", cell) if head[i] != "key" else cell
                            for i, cell in enumerate(line)])) for line in rest]


def record_files(output, experiment="matrix"):
    return sorted(output.glob(f"records/*/{experiment}/*.json"))


def read_records(output, experiment="matrix"):
    return [Record(**json.loads(path.read_bytes())) for path in record_files(output, experiment)]


class StandIns(ScriptTest):
    """A test case that replaces programs by scripts."""

    def stand_in(self, program, text):
        """The build folder with one program replaced by a script."""
        for name in PROGRAMS:
            link = self.root / "build" / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if name == program:
                link.write_text(f"#!/bin/bash\nreal={Build.folder / name}\n{text}\n",
                                encoding="utf-8")
                link.chmod(0o755)
            else:
                link.symlink_to(Build.folder / name)
        return self.root / "build"

    def broken_ledger(self):
        """The build folder with a getstat that finds every ledger broken."""
        return self.stand_in("tools/getstat/getstat", """\
if [[ $* == *--verify* ]]; then echo 'BROKEN'; exit 1; fi
exec "$real" "$@" """)
