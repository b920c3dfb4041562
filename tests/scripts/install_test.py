#!/usr/bin/python3 -B
"""Test of `cmake --install` into an empty folder.

usage: install_test.py CMAKE BUILD-FOLDER
"""

import re
import subprocess
import sys
import unittest

from script_test import ScriptTest

PROGRAMS = ("cpssd", "getstat", "udpblast", "cpss-numbers")


class Install(ScriptTest):
    cmake = ""
    build = ""

    def setUp(self):
        super().setUp()
        subprocess.run([self.cmake, "--install", self.build, "--prefix", self.root], check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        self.doc = self.root / "share/doc/cpss"

    def test_programs_run(self):
        for program in PROGRAMS:
            run = subprocess.run([self.root / "bin" / program, "--version"], check=False,
                                 capture_output=True, text=True, timeout=20)
            self.assertEqual(run.returncode, 0, program)
            self.assertTrue(run.stdout.startswith(program + " "), run.stdout)

    def test_only_the_shipped_programs(self):
        self.assertEqual(sorted(path.name for path in (self.root / "bin").iterdir()),
                         sorted(PROGRAMS))

    def test_the_sample_configuration_is_good(self):
        run = subprocess.run([self.root / "bin/cpssd", "--config", self.doc / "docs/cpssd.yaml",
                              "--check-config"], check=False, capture_output=True, text=True,
                             timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)

    def test_licence_and_links_of_the_readme(self):
        self.assertIn("Apache License", (self.doc / "LICENSE").read_text(encoding="utf-8"))
        readme = (self.doc / "README.md").read_text(encoding="utf-8")
        links = [link for link in re.findall(r"\]\(([^)#]+)\)", readme) if "://" not in link]
        self.assertGreater(len(links), 3)
        for link in links:
            self.assertTrue((self.doc / link).is_file(), link)


if __name__ == "__main__":
    Install.cmake, Install.build = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
