#!/usr/bin/python3 -B
"""Tests of scripts/check-includes on small trees that each break one rule."""

import unittest

from script_test import ScriptTest


class CheckIncludes(ScriptTest):
    def setUp(self):
        super().setUp()
        for stage in ("receive", "receive_wait", "service", "worker", "on_demand", "response"):
            self.write(f"stages/{stage}.h", "")
            self.write(f"stages/{stage}.cpp", f'#include "stages/{stage}.h"\n')

    def check(self, *options):
        return self.run_script("scripts/check-includes", "--root", self.root, *options)

    def expect_problem(self, *parts):
        code, output = self.check()
        self.assertEqual(code, 1, output)
        for part in parts:
            self.assertIn(part, output)
        self.assertIn(" 1 problems", output)

    def test_a_good_tree_passes(self):
        self.write("queue/pool.h", "#include <vector>\n")
        self.write("stages/lane.h", '#include "queue/pool.h"\n')
        code, output = self.check()
        self.assertEqual(code, 0, output)

    def test_a_folder_that_is_not_allowed(self):
        self.write("stages/step.h", "")
        self.write("queue/pool.h", '\n#include "stages/step.h"\n')
        self.expect_problem("queue/pool.h:2:", "stages/step.h")

    def test_a_single_header_is_no_permit_for_its_folder(self):
        self.write("net/address.h", "")
        self.write("net/udp_socket.h", "")
        self.write("services/echo.h", '#include "net/address.h"\n#include "net/udp_socket.h"\n')
        self.expect_problem("services/echo.h:2:", "net/udp_socket.h")

    def test_one_tool_is_not_for_another(self):
        self.write("tools/getstat/grid.h", "")
        self.write("tools/udpblast/tally.h", '#include "tools/getstat/grid.h"\n')
        self.expect_problem("tools/udpblast/tally.h:1:")

    def test_a_program_does_not_include_tests(self):
        self.write("tests/support/fake.h", "")
        self.write("server/plan.h", '#include "tests/support/fake.h"\n')
        self.expect_problem("server/plan.h:1:")

    def test_a_stage_that_reaches_another_by_way_of_a_third(self):
        self.write("stages/between.h", '#include "stages/service.h"\n')
        self.write("stages/receive.cpp",
                   '#include "stages/receive.h"\n#include "stages/between.h"\n')
        self.expect_problem("stages/receive.cpp", "stage receive includes stage service",
                            "stages/between.h -> stages/service.h")

    def test_a_stage_without_its_files(self):
        (self.root / "stages/service.h").unlink()
        self.write("stages/service.cpp", "")
        self.expect_problem("stages/service.h: there is no such file")

    def test_not_from_the_root(self):
        self.write("queue/pool.h", "")
        self.write("queue/user.h", '#include "pool.h"\n')
        code, output = self.check()
        self.assertEqual(code, 1, output)
        self.assertIn('queue/user.h:1: "pool.h" is no file below the source root', output)

    def test_ours_in_angle_brackets(self):
        self.write("queue/pool.h", "")
        self.write("queue/user.h", "#include <queue/pool.h>\n")
        self.expect_problem("queue/user.h:1:", "in quotes")

    def test_own_header_is_not_first(self):
        self.write("queue/pool.h", "")
        self.write("queue/pool.cpp", '#include <vector>\n\n#include "queue/pool.h"\n')
        self.expect_problem("queue/pool.cpp:1:", "has to be the first include, not vector")

    def test_a_folder_without_a_rule(self):
        self.write("tests/unknown/some.h", "")
        self.expect_problem("tests/unknown/some.h:1:", "no rule")

    def test_a_header_that_needs_another_before_it(self):
        self.write("queue/pool.h", "#pragma once\ninline std::size_t slots() { return 1; }\n")
        self.assertEqual(self.check()[0], 0)
        code, output = self.check("--compile")
        self.assertEqual(code, 1, output)
        self.assertIn("queue/pool.h: does not compile on its own", output)


if __name__ == "__main__":
    unittest.main()
