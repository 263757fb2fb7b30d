"""The pages of the contract: complete, and their examples run."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TypeAlias

import pytest

from hub import errors, hookspecs, interface, ir

Hub: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"
CONTRACT = Path(__file__).parents[1] / "docs" / "contract.md"
TEXT = CONTRACT.read_text()

DATACLASSES = (
    interface.Capabilities, interface.Options, interface.Plan, interface.PlannedTensor, interface.Fact,
    interface.Finding, interface.Magic, ir.Model, ir.Tensor,
)  # fmt: skip
PROTOCOLS = (
    interface.Format, interface.Sink, interface.Codec, interface.Source, interface.Runtime, interface.Seal,
    interface.Describes, interface.Locates,
)  # fmt: skip


def members(protocol: type) -> set[str]:
    return {n for n in (*vars(protocol), *protocol.__annotations__) if not n.startswith("_")}


@pytest.mark.parametrize("kind", [*DATACLASSES, *PROTOCOLS], ids=lambda k: k.__name__)
def test_every_member_is_described(kind: type) -> None:
    names = members(kind) if kind in PROTOCOLS else {f.name for f in fields(kind)}
    prose = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`", prose))))
    assert names <= words


def test_every_hook_and_error_is_described() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("hub_")}
    assert hooks == set(re.findall(r"^def (hub_\w+)", TEXT, re.MULTILINE)) | {"hub_formats"}
    assert all(f"### `{name}" in TEXT or f"`{name}(" in TEXT for name in hooks)
    assert len(hooks) == 8
    kinds = {c.__name__ for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.HubError)}
    assert kinds <= set(re.findall(r"\w+", TEXT))


@pytest.fixture
def example(strange: Callable[[str, str], Path]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    strange("contract_example", "\n\n".join(blocks) + "\n\n@hookimpl\ndef hub_formats(): return [Halves()]\n")


@pytest.mark.usefixtures("example")
def test_the_examples_of_the_contract_are_a_plugin(hub: Hub, tiny_gguf: Path) -> None:
    done = hub("plugins", "--json")
    assert json.loads(done.stdout)["problems"] == [], done.stderr
    (plugin,) = [p for p in json.loads(done.stdout)["plugins"] if p["name"] == "contract_example"]
    assert (plugin["formats"], plugin["sources"], len(plugin["hooks"])) == (["halves"], ["disk"], 6)
    assert hub("convert", tiny_gguf, "out.apr").returncode == 0
    assert "conversions of this house are verified" in hub("convert", tiny_gguf, "b.apr", "--no-verify").stderr
    assert "contract_example:names" in hub("check", "out.apr").stdout


@pytest.mark.usefixtures("example")
def test_the_format_of_the_contract_is_stopped_by_its_own_hook(hub: Hub, tiny_gguf: Path) -> None:
    done = hub("convert", tiny_gguf, "halves", "--to", "halves", "--allow-unmapped", "--dry-run")
    assert done.returncode == 2
    assert "3 tensors would be left out [contract_example]" in done.stderr
