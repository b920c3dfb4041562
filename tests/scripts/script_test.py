"""Shared by the tests of scripts: a folder of files on which they run."""

import subprocess
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent


class ScriptTest(unittest.TestCase):
    """A test case with an empty folder of its own, `root`."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def run_script(self, path, *arguments):
        """Runs a script; returns its exit code and all that it printed."""
        run = subprocess.run([PROJECT / path, *map(str, arguments)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
        return run.returncode, run.stdout
