"""Exchange with other formats, the whole way that `hub convert` goes: A to B, and back to A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.errors import HubError
from hub.interface import Format
from hub.ir import Model
from hub.pipeline import Request, convert
from hub.plugins import registry
from hub_conformance import vectors
from hub_conformance.notation import ASPECTS, aspects, model_of
from hub_conformance.suite._case import FormatCase, declared, expect_none, short
from hub_conformance.suite._claims import justified, lost
from hub_conformance.suite._tensors import problems, recoded
from hub_conformance.suite._trip import options_for, target_in, write


class PairTests(FormatCase):
    """Models travel to every peer and come back; those of guests come here and go home."""

    def test_arrives_and_comes_back(self, fmt: Format, pair: str, tmp_path: Path) -> None:
        """From here to a peer and back: nothing is lost that either does not declare."""
        peer, _, vector = pair.partition("/")
        exchange(fmt, registry().named(peer), vectors.document(vector), tmp_path)

    def test_visits_and_goes_home(self, visit: str, fmt: Format, tmp_path: Path) -> None:
        """A peer's model to this format and back."""
        peer, _, vector = visit.partition("/")
        exchange(registry().named(peer), fmt, vectors.document(vector), tmp_path)


def exchange(a: Format, b: Format, document: Mapping[str, Any], folder: Path, first: Path | None = None) -> None:
    """From a file in `a` to `b` and back; `first` is the file that holds the model `document`, written when None.

    A model keeps the name of its file, which some formats write down, and stays a folder where it was one. Gold need
    only come back: what a format says of a file of its own making (its quantization, say) is not for others to keep.
    """
    gold = first is not None
    if not (a.capabilities.writes and b.capabilities.writes):
        declared(f"{a.name if b.capabilities.writes else b.name} is read, not written")
    try:
        first = first or _start(a, document, folder)
        there = _sent(first, b, folder / "there", gold and b.capabilities.folder and document["naming"] == "hf")
        back = _sent(there, a, folder / "back", first.is_dir())
    except HubError as error:
        if justified(error, a, document) or justified(error, b, document):
            declared(f"refused: {short(str(error))}")
        raise
    model, changed = a.read(first), set[str]()
    said = set[str]() if gold else _compared(model, b.read(there), [b], changed)
    said |= _compared(model, a.read(back), [b, a], changed)
    if said or changed:
        declared("; ".join([*sorted(said), *(f"re-encodes {name}" for name in sorted(changed))]))


def _start(fmt: Format, document: Mapping[str, Any], folder: Path) -> Path:
    options = options_for(fmt, {})
    return write(fmt, fmt.plan(model_of(document), options), target_in(folder, fmt, "first", options), options)


def _sent(path: Path, fmt: Format, into: Path, folder: bool) -> Path:
    """`path` converted to `fmt` under its own name, verified by the hub."""
    options = replace(options_for(fmt, {}), folder=folder)
    into.mkdir()
    target = target_in(into, fmt, path.name.partition(".")[0], options)
    convert(Request(path, target, to=fmt.name, options=options))
    return target


# What tells of the encodings, and follows them where they changed on the way.
_OF_ENCODINGS = ("source ", "config.dtype:", "config.torch_dtype:", "file 'config.json' differs")


def _compared(a: Model, b: Model, formats: Sequence[Format], changed: set[str]) -> set[str]:
    """Fail for a loss on the way through `formats` that nobody declares; what was lost as declared.

    Names of tensors that the last of them re-encodes are added to `changed`.
    """
    plan = formats[-1].plan(a, options_for(formats[-1], {}))
    changed |= set(recoded(plan))
    expect_none(list(problems(a, b, formats, changed)))
    dropped = [fact.key.split()[-1] for fact in plan.facts if fact.fate == "dropped"]
    said = set()
    for aspect in ASPECTS[1:]:
        lines = aspects(a, b, aspect)
        covered = any(aspect in lost(one) for one in formats)
        if _turned(a, b):
            lines = [line for line in lines if not line.startswith(_OF_ENCODINGS)]
        expect_none([line for line in lines if not covered and not any(key in line for key in dropped)])
        said |= {f"drops {aspect}"} if lines else set()
    return said


def _turned(a: Model, b: Model) -> bool:
    """True when tensors changed their encodings."""
    return any(tensor.encoding != a.tensors[name].encoding for name, tensor in b.tensors.items() if name in a.tensors)
