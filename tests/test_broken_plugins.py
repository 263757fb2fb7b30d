"""Plugins that are wrong in one way each, in the real program: each is named, and the others go on.

Those that write something wrong are in test_mutations.py.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

Hub: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"
Strange = Callable[[str, str], Path]

HEAD = """
from hub.hookspecs import hookimpl
from hub.interface import BaseFormat, Capabilities, Magic
class Odd(BaseFormat):
    name, extensions, magic, capabilities = "odd", (".odd",), (Magic(b"ODD"),), Capabilities(frozenset({"F32"}))
    def write(self, plan, sink, options): ...
"""


def brings(answer: str) -> str:
    """A plugin whose `hub_formats` returns `answer`."""
    return HEAD + f"\n@hookimpl\ndef hub_formats(): return {answer}\n"


def changed(member: str) -> str:
    """A plugin that is right but for one member."""
    return HEAD + f"\nodd = Odd()\nodd.{member}\n\n@hookimpl\ndef hub_formats(): return [odd]\n"


# What is wrong with the module, its text, and what hub says about it.
FAULTS = {
    "fails to import": ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    "is not Python": ("def", "SyntaxError: "),
    "ends the program": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "wrong argument": (
        HEAD + "\n@hookimpl\ndef hub_checks(pth, model): ...\n",
        "Argument(s) {'pth'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "unknown hook": (HEAD + "\n@hookimpl\ndef hub_after_lunch(): ...\n", "unknown hook 'hub_after_lunch'"),
    "no mark": (HEAD + "\ndef hub_formats(): return [Odd()]\n", "its hub_formats is not marked with"),
    "no hook": (HEAD, "implements no hook of the contract; hub.hookspecs lists them"),
    "wrapper": (
        HEAD + "\n@hookimpl(wrapper=True)\ndef hub_after_convert(report): yield\n",
        "its hub_after_convert is a wrapper, which the contract does not have",
    ),
    "another contract": (
        'HUB_CONTRACT = "hub.v2"\n' + brings("[Odd()]"),
        "is made for contract hub.v2, and this hub speaks hub.v1",
    ),
    "raises when asked": (brings("1 / 0"), "ZeroDivisionError: division by zero"),
    "no list": (brings("7"), "hub_formats gave 7, a list was expected"),
    "a string": (brings("'odd'"), "hub_formats gave 'odd', a list was expected"),
    "a class": (brings("[Odd]"), "hub_formats gave the class Odd, an instance was expected"),
    "junk": (brings("[None]"), "hub_formats gave None, which is no Format: it has no name, title, extensions"),
    "twice": (brings("[Odd(), Odd()]"), "brings the format 'odd' twice"),
    "a name that is taken": (
        changed('name = "gguf"'), "brings the format 'gguf', which the plugin gguf brings already"
    ),
    "no name": (changed("name = None"), "name of Odd is None, a word in lower case was expected"),
    "extension": (
        changed('extensions = ".odd"'),
        "extensions of Odd is '.odd', a tuple of strings that start with a dot was expected",
    ),
    "magic": (changed('magic = (b"ODD",)'), "magic of Odd is (b'ODD',), a tuple of Magic was expected"),
    "capabilities": (changed("capabilities = {}"), "capabilities of Odd is {}, Capabilities was expected"),
    "method": (changed("read = None"), "read of Odd is no method"),
    "provides": (
        HEAD + "\n@hookimpl\ndef hub_provides(): return [Odd()]\n", "which is no Codec, Source or Runtime of"
    ),
}  # fmt: skip


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_named_with_the_reason_and_the_others_go_on(hub: Hub, strange: Strange, fault: str) -> None:
    text, reason = FAULTS[fault]
    strange("faulty", text)
    done = hub("plugins", "--json")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    (problem,) = said["problems"]
    assert problem["plugin"] == "faulty"
    assert reason in problem["message"]
    assert f"hub: warning: plugin faulty is not used: {problem['message']}" in done.stderr
    formats = {name for p in said["plugins"] for name in p["formats"]}
    assert formats >= {"gguf", "safetensors", "apr", "toy"}
    assert "odd" not in formats


def installed(tmp_path: Path, distribution: str, *groups: str) -> None:
    """A distribution on the path of `strange` whose entry points are `groups`, each "GROUP: NAME = VALUE"."""
    folder = tmp_path / "strange-plugins" / f"{distribution.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = (f"[{group}]\n{point}" for group, point in (text.split(": ") for text in groups))
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")


def problems(hub: Hub) -> dict[str, str]:
    return {p["plugin"]: p["message"] for p in json.loads(hub("plugins", "--json").stdout)["problems"]}


@pytest.fixture
def odd(strange: Strange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that bring the format odd, to be named by entry points."""
    strange("odd_one", brings("[Odd()]"))
    strange("odd_two", changed('name = "odder"'))
    strange("odd_words", "import typer\ndef greet() -> None: print('hello')\n")
    monkeypatch.delenv("HUB_PLUGINS")


@pytest.mark.usefixtures("odd")
def test_a_plugin_for_another_contract_alone_is_named(hub: Hub, tmp_path: Path) -> None:
    installed(tmp_path, "hub-later", "hub.v2: later = odd_one")
    assert problems(hub) == {"later": "hub-later 1.0 is made for contract hub.v2, and this hub speaks hub.v1"}


@pytest.mark.usefixtures("odd")
def test_a_plugin_for_both_contracts_is_used(hub: Hub, tmp_path: Path) -> None:
    installed(tmp_path, "hub-later", "hub.v2: later = odd_two", "hub.v1: later = odd_one")
    assert problems(hub) == {}
    assert "formats odd" in hub("plugins").stdout


@pytest.mark.usefixtures("odd")
def test_two_plugins_of_one_name_are_both_named_and_the_first_is_used(hub: Hub, tmp_path: Path) -> None:
    installed(tmp_path, "hub-b", "hub.v1: odd = odd_two")
    installed(tmp_path, "hub-a", "hub.v1: odd = odd_one")
    assert problems(hub) == {"odd": "hub-b brings it, and hub-a does already"}
    formats = json.loads(hub("formats", "--json").stdout)["formats"]
    assert [f["name"] for f in formats if f["plugin"] == "odd"] == ["odd"]


@pytest.mark.usefixtures("odd")
def test_a_format_is_not_taken_from_the_plugin_of_its_name(
    hub: Hub, strange: Strange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_gguf: Path
) -> None:
    strange("odd_taker", changed('name = "gguf"'))
    monkeypatch.delenv("HUB_PLUGINS")
    installed(tmp_path, "a-taker", "hub.v1: a_taker = odd_taker")  # loaded before gguf is
    assert problems(hub) == {"a_taker": "brings the format 'gguf', which is the name of another plugin"}
    assert hub("inspect", tiny_gguf).returncode == 0


@pytest.mark.usefixtures("odd")
def test_one_module_under_two_names_is_used_once(hub: Hub, tmp_path: Path) -> None:
    installed(tmp_path, "hub-a", "hub.v1: odd = odd_one")
    installed(tmp_path, "hub-b", "hub.v1: other = odd_one")
    assert problems(hub) == {"other": "is the module of the plugin odd"}
    assert "odd" in hub("formats").stdout


@pytest.mark.usefixtures("odd")
def test_commands_that_collide_are_named(hub: Hub, tmp_path: Path) -> None:
    installed(tmp_path, "hub-a", "hub.v1: odd = odd_one", "hub.v1.commands: greet = odd_words:greet")
    assert problems(hub) == {}
    assert hub("greet").stdout == "hello\n"
    assert "commands greet" in hub("plugins").stdout
    installed(tmp_path, "hub-b", "hub.v1.commands: greet = odd_words:greet")
    installed(tmp_path, "hub-c", "hub.v1.commands: convert = odd_words:greet")
    both = "its command greet is brought by hub-a and hub-b"
    assert problems(hub) == {"odd": both, "hub-b": both, "hub-c": "its command convert is hub's own"}
    assert "greet is brought by hub-a and hub-b" in hub("greet").stderr


@pytest.mark.usefixtures("odd")
def test_a_plugin_that_is_left_out_takes_its_own_commands_along(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = "hub.v1: odd = odd_one\nodder = odd_two", "hub.v1.commands: greet = odd_words:greet\nodd = odd_one.x:y"
    installed(tmp_path, "hub-a", *points)
    monkeypatch.setenv("HUB_DISABLE_PLUGINS", "odd, Hub_Apr")
    shown = hub("plugins").stdout
    assert "odder" in shown
    assert "odd " not in shown
    assert "hub-apr" not in shown
    assert hub("odd").returncode == 2


SNIFFS = (
    HEAD.replace("magic,", "other,")
    + """
    def sniff(self, path, head):
        BODY
import hub.plugins._registry
hub.plugins._registry.SNIFFING = 0.3
import sys, time
@hookimpl
def hub_formats(): return [Odd()]
"""
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("time.sleep(600)", "did not say within 0.3 s whether "),
        ("1 / 0", "raised ZeroDivisionError('division by zero') when asked whether "),
        ("sys.exit(0)", "raised RuntimeError('sys.exit(0)') when asked whether "),
    ],
)
def test_a_format_that_cannot_be_asked_is_left_out(
    hub: Hub, strange: Strange, tiny_gguf: Path, body: str, reason: str
) -> None:
    strange("sniffer", SNIFFS.replace("BODY", body))
    done = hub("inspect", tiny_gguf, timeout=60)
    assert done.returncode == 0
    assert "Model: tiny" in done.stdout
    assert done.stderr.startswith(f"hub: warning: plugin sniffer is not used: the format odd {reason}")


def test_a_claim_of_two_names_both(hub: Hub, strange: Strange, tiny_gguf: Path) -> None:
    strange("greedy", SNIFFS.replace("BODY", "return True"))
    done = hub("inspect", tiny_gguf)
    assert done.returncode == 2
    assert "claimed by gguf and odd; say which with --from" in done.stderr


@pytest.mark.usefixtures("toy")
def test_every_call_can_be_traced(hub: Hub, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_TRACE", "1")
    done = hub("convert", tiny_gguf, "out.toy")
    assert done.returncode == 0
    lines = [line.removeprefix("hub: trace: ") for line in done.stderr.splitlines() if line.startswith("hub: trace: ")]
    calls = [" ".join((line.split()[0], line.split()[-1])) for line in lines]
    wanted = ["hub_formats [toy_format]", "gguf.read [gguf]", "toy.plan [toy_format]", "toy.write [toy_format]",
              "toy.read [toy_format]"]  # fmt: skip
    assert [call for call in calls if call in wanted] == wanted
    assert all(float(line.split()[-3]) >= 0 and line.split()[-2] == "ms" for line in lines)
    monkeypatch.setenv("TOY_FAULT", "none")
    tiny_gguf.write_bytes(tiny_gguf.read_bytes()[:100])
    assert "[gguf], raised DamagedFile" in hub("inspect", tiny_gguf).stderr
    monkeypatch.setenv("HUB_TRACE", "0")
    assert "hub: trace" not in hub("inspect", tiny_gguf).stderr
