#!/usr/bin/python3 -B
"""Tests of scripts/check-forbidden: this project with one forbidden thing added."""

import shutil
import unittest

from script_test import PROJECT, ScriptTest

FOLDERS = ("queue", "base", "stats", "config", "net", "services", "stages", "server", "tools", "tests",
           "cmake", "scripts", "docs")


class CheckForbidden(ScriptTest):
    def setUp(self):
        super().setUp()
        for folder in FOLDERS:
            shutil.copytree(PROJECT / folder, self.root / folder)

    def check(self):
        return self.run_script("scripts/check-forbidden", "--root", self.root)

    def expect_problem(self, path, text, *parts):
        with open(self.root / path, "a", encoding="utf-8") as file:
            file.write(text)
        code, output = self.check()
        self.assertEqual(code, 1, output)
        for part in (f"{path}:", *parts):
            self.assertIn(part, output)

    def test_the_project_itself_passes(self):
        code, output = self.check()
        self.assertEqual(code, 0, output)

    def test_semaphore_of_the_standard_library(self):
        self.expect_problem("queue/semaphore.h", "std::counting_semaphore<1> bad;\n", "wake-ups")

    def test_condition_variable(self):
        self.expect_problem("stages/lane/lane.cpp", "std::condition_variable bad;\n")

    def test_atomic_in_a_file_that_is_not_listed(self):
        self.expect_problem("stages/receive/receive.cpp", "std::atomic<int> bad;\n", "memory orders")

    def test_sleep_in_a_lane(self):
        self.expect_problem("stages/lane/lane.cpp", "std::this_thread::sleep_for(kLong);\n")
        self.expect_problem("services/echo.cpp", "clock_nanosleep(clock, 0, &span, nullptr);\n")

    def test_disabled_test(self):
        self.expect_problem("tests/net/address_test.cpp", "TEST(Address, DISABLED_Bad) {}\n")

    def test_code_for_one_machine(self):
        self.expect_problem("cmake/targets.cmake", "add_compile_options(-march=native)\n")

    def test_comments_are_free(self):
        with open(self.root / "stages/lane/lane.cpp", "a", encoding="utf-8") as file:
            file.write("// no std::condition_variable here\n")
        self.assertEqual(self.check()[0], 0)

    def test_a_word_that_was_given_up(self):
        self.expect_problem("stages/lane/lane.cpp", "// A message is retired.\n", "say Completion")
        self.expect_problem("docs/overload.md", "the crowd\n", "WorkerOccupancy")
        self.expect_problem("scripts/demo", "# CPSS_HANDOVER=strict\n", "inline dispatch")

    def test_an_exception_that_is_not_needed(self):
        path = self.root / "stages/lane/events.h"
        path.write_text(path.read_text(encoding="utf-8").replace("atomic", "plain"),
                        encoding="utf-8")
        code, output = self.check()
        self.assertEqual(code, 1, output)
        self.assertIn("stages/lane/events.h: has no", output)


if __name__ == "__main__":
    unittest.main()
