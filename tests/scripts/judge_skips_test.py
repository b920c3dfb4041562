#!/usr/bin/python3 -B
"""Tests of tests/judge-skips on reports as GoogleTest writes them."""

import unittest
from xml.sax.saxutils import quoteattr

from script_test import ScriptTest


class JudgeSkips(ScriptTest):
    def setUp(self):
        super().setUp()
        self.list = self.write("list.txt", "# a comment\n\nPort.Low*  no right to *\n")
        self.report("Port", "High")

    def report(self, suite, test, reason=None):
        skip = "" if reason is None else \
            f"<skipped message={quoteattr('port_test.cpp:7' + chr(10) + reason + chr(10))}/>"
        self.write(f"reports/{suite}.{test}.xml",
                   f'<testsuites><testsuite name="{suite}"><testcase name="{test}" '
                   f'classname="{suite}">{skip}</testcase></testsuite></testsuites>')

    def judge(self):
        return self.run_script("tests/judge-skips", self.list, self.root / "reports")

    def test_nothing_skipped(self):
        self.assertEqual(self.judge()[0], 0)

    def test_expected(self):
        self.report("Port", "LowOne", "no right to bind")
        code, output = self.judge()
        self.assertEqual(code, 0, output)
        self.assertIn("skipped: Port.LowOne: no right to bind", output)

    def test_unexpected_test(self):
        self.report("Port", "Other", "no right to bind")
        code, output = self.judge()
        self.assertEqual(code, 1, output)
        self.assertIn("NOT EXPECTED: Port.Other: no right to bind", output)

    def test_unexpected_reason(self):
        self.report("Port", "LowOne", "no time")
        self.assertEqual(self.judge()[0], 1)

    def test_without_a_reason(self):
        self.report("Port", "LowOne", "")
        self.assertEqual(self.judge()[0], 1)

    def test_no_reports_at_all(self):
        code, output = self.run_script("tests/judge-skips", self.list, self.root / "nothing")
        self.assertEqual(code, 1)
        self.assertIn("no report", output)

    def test_a_line_without_reason_in_the_list(self):
        self.write("list.txt", "Port.Low*\n")
        code, output = self.judge()
        self.assertEqual(code, 1)
        self.assertIn("list.txt:1", output)


if __name__ == "__main__":
    unittest.main()
