from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import COMMANDS

Hub = Callable[..., Any]

HEAVY = ("numpy", "gguf", "safetensors", "tokenizers", "zstandard", "rich", "hub_gguf", "hub_apr", "hub_safetensors")

# A plugin as a stranger might write it; `read` does what a test asks for.
PLUGIN = """
from hub.hookspecs import hookimpl
from hub.interface import BaseFormat, Capabilities

class Strange(BaseFormat):
    name = "strange"
    extensions = (".strange",)
    capabilities = Capabilities(frozenset(), writes=False)
    def sniff(self, path, head):
        return path.suffix == ".strange"
    def read(self, path):
        {read}
    def plan(self, model, options): ...
    def write(self, plan, sink, options): ...
    def validate(self, path):
        {read}
        yield

@hookimpl
def hub_formats():
    return [Strange()]
"""


def program(
    *args: object, env: dict[str, str] | None = None, code: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "hub", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False)


def plugin(folder: Path, read: str = "raise ValueError('odd')") -> dict[str, str]:
    (folder / "strange_plugin.py").write_text(PLUGIN.format(read=read), encoding="utf-8")
    (folder / "m.strange").write_bytes(b"strange")
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return {"HUB_PLUGINS": "strange_plugin", "PYTHONPATH": path}


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from hub.cli import main
code = main(["--help"])
print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
    done = program(code=code)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_help_lists_every_command_and_each_has_its_own(hub: Hub) -> None:
    overview = hub("--help")
    assert overview.code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in overview.out
        ran = hub(name, "--help")
        assert ran.code == 0
        assert ran.out.startswith(f"Usage: hub {name} ")
        assert "--json" in ran.out or "\nCommands:\n" in ran.out


def test_no_arguments_show_the_help(hub: Hub) -> None:
    assert hub() == hub("--help")


def test_the_version(hub: Hub) -> None:
    from hub import __version__

    assert hub("--version").out == f"hub {__version__}\n"


@pytest.mark.parametrize(
    "args",
    [
        ("frobnicate",),
        ("inspect",),
        ("convert", "a.gguf", ""),
        ("inspect", ""),
        ("inspect", "--bogus", "m"),
        ("diff", "a"),
        ("diff", "a", "b", "--tolerance", "x"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(hub: Hub, args: tuple[str, ...]) -> None:
    ran = hub(*args)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("hub: error: ")
    assert ran.err.count("\n") == 1


def test_a_near_miss_is_suggested(hub: Hub) -> None:
    assert "'inspect'" in hub("inspcet", "m").err


@pytest.mark.parametrize("command", ["inspect", "tensors", "check", "validate"])
def test_a_missing_file_is_exit_code_2(hub: Hub, command: str, tmp_path: Path) -> None:
    for flags in ((), ("--json",)):
        ran = hub(command, tmp_path / "absent.gguf", *flags)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == f"hub: error: {tmp_path / 'absent.gguf'}: no such file or folder\n"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = program("inspect", tmp_path / "absent", env={"HUB_DEBUG": "1"})
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_plugin_that_fails_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "broken_plugin.py").write_text("import nothing_of_the_kind\n", encoding="utf-8")
    env = {"HUB_PLUGINS": "broken_plugin", "PYTHONPATH": plugin(tmp_path)["PYTHONPATH"]}
    done = program("plugins", env=env)
    assert done.returncode == 0
    assert "broken_plugin" in done.stdout
    assert "hub: warning: plugin broken_plugin is not used: ModuleNotFoundError" in done.stderr
    assert "safetensors" in done.stdout


@pytest.mark.parametrize("command", ["inspect", "check", "validate"])
def test_a_plugin_that_raises_is_named_in_one_line(tmp_path: Path, command: str) -> None:
    done = program(command, tmp_path / "m.strange", env=plugin(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "strange" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_interrupt_is_exit_code_130_and_quiet(tmp_path: Path) -> None:
    done = program("inspect", tmp_path / "m.strange", env=plugin(tmp_path, read="raise KeyboardInterrupt"))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="pipes that break are a matter of POSIX")
def test_a_reader_that_hangs_up_ends_the_run_quietly(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "hub", "formats", "--json"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, check=False, cwd=tmp_path)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_answer(folder: Path, tmp_path: Path, closed: str) -> None:
    command = f'"{sys.executable}" -m hub convert "$0" "$1" {closed}'
    target = tmp_path / "made.apr"
    for expected in (0, 2):  # the second run finds the target there
        done = subprocess.run(["sh", "-c", command, folder, target], check=False, capture_output=True)
        assert done.returncode == expected
    assert target.read_bytes()[:4] == b"APR\0"


def test_names_cannot_drive_the_terminal(tmp_path: Path) -> None:
    read = "raise __import__('hub.errors').errors.DamagedFile('bad \\x1b[2J name')"
    done = program("inspect", tmp_path / "m.strange", env=plugin(tmp_path, read=read))
    assert "\x1b" not in done.stderr
    assert "\\x1b[2J" in done.stderr


@pytest.mark.parametrize(("words", "expected"), [("hub ins", "inspect"), ("hub tensors --st", "--stats")])
def test_the_shell_completes_commands_and_options(words: str, expected: str) -> None:
    env = {"_HUB_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = program(env=env)
    assert done.stdout.split() == [expected]


def test_completion_can_be_installed_for_a_shell() -> None:
    done = program(env={"_HUB_COMPLETE": "source_bash"})
    assert "_HUB_COMPLETE=complete_bash" in done.stdout
