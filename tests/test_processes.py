"""Further processes of the program that runs."""

from __future__ import annotations

import subprocess
import sys

from hub import processes


def test_a_module_runs_as_python_runs_it() -> None:
    command = processes.module("hub", "--version")
    assert command[0] == sys.executable
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("hub ")


def test_a_program_may_be_its_own_python() -> None:
    before = processes.module("x")[:-2]
    processes.start_with("/app", "--")
    try:
        assert processes.module("hub.x", "a", "b") == ["/app", "--", "-m", "hub.x", "a", "b"]
    finally:
        processes.start_with(*before)
    assert processes.module("x")[0] == sys.executable
