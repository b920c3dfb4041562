#!/usr/bin/python3 -B
"""Tests of scripts/check-includes on small trees that each break one rule."""

import unittest

from script_test import ScriptTest


class CheckIncludes(ScriptTest):
    def setUp(self):
        super().setUp()
        for step in ("service", "worker", "on_demand"):
            self.write(f"stages/service/{step}.h", "")
            self.write(f"stages/service/{step}.cpp", f'#include "stages/service/{step}.h"\n')

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
        self.write("stages/lane/lane.h", '#include "queue/pool.h"\n')
        code, output = self.check()
        self.assertEqual(code, 0, output)

    def test_a_folder_that_is_not_allowed(self):
        self.write("stages/lane/step.h", "")
        self.write("queue/pool.h", '\n#include "stages/lane/step.h"\n')
        self.expect_problem("queue/pool.h:2:", "stages/lane/step.h")

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
        self.write("server/daemon/plan.h", '#include "tests/support/fake.h"\n')
        self.expect_problem("server/daemon/plan.h:1:")

    def test_a_stage_that_includes_another(self):
        self.write("stages/receive/receive.cpp", '#include "stages/service/service.h"\n')
        self.expect_problem("stages/receive/receive.cpp:1: stages/receive/ must not include",
                            "stages/service/service.h")

    def test_what_stages_share_does_not_know_them(self):
        self.write("stages/message/slot_store.h", '#include "stages/service/service.h"\n')
        self.expect_problem("stages/message/slot_store.h:1: stages/message/ must not include")

    def test_what_a_model_is_made_into_does_not_know_the_models(self):
        self.write("server/models/models.h", "")
        self.write("server/pipeline/pipeline.h", '#include "server/models/models.h"\n')
        self.expect_problem("server/pipeline/pipeline.h:1: server/pipeline/ must not include")

    def test_a_file_between_the_folders_of_the_stages(self):
        self.write("stages/between.h", "")
        self.expect_problem("stages/between.h:1:", "no rule")

    def test_a_step_that_reaches_another_of_its_folder_by_way_of_a_third(self):
        self.write("stages/service/between.h", '#include "stages/service/worker.h"\n')
        self.write("stages/service/service.cpp",
                   '#include "stages/service/service.h"\n#include "stages/service/between.h"\n')
        self.expect_problem("stages/service/service.cpp", "step service includes step worker",
                            "stages/service/between.h -> stages/service/worker.h")

    def test_a_step_without_its_files(self):
        (self.root / "stages/service/service.h").unlink()
        self.write("stages/service/service.cpp", "")
        self.expect_problem("stages/service/service.h: there is no such file")

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
