"""Measures one case: our folder from the script's file, our file against the script's, and the way there and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.errors import HubError
from hub.interface import Options
from hub.pipeline import Report, Request, convert
from tests.oracle import factory
from tests.oracle.case import Case

Field = tuple[str, Any]

TEXTS = [
    "Give me a short introduction to large language models.",
    "def f(x):\n    return x ** 2  # ½ of it\n\n\n\tand\ttabs",
    "Москва, 東京, العربية 123456789, naïve café — 🙂🙂",
    "   leading and trailing   ", "I'll we've THEY'RE don't", "<|im_start|>user\nhi<|im_end|>\n",
    "1.000.000,5 3..3", "\n\n \n", "", " ", "a\u0301 ﬁ \u00a0x", "[MASK] <s> </s> <bos> <start_of_turn>  x", "a  b   c",
]  # fmt: skip


@dataclass(frozen=True)
class Backward:
    """The script's GGUF turned into a folder by us: the largest difference in logits, what our report says is lost.

    `tokens` holds what the two folders' tokenizers do differently.
    """

    difference: float | None
    tokens: Sequence[str] = ()
    notes: Sequence[str] = ()
    error: str = ""


@dataclass(frozen=True)
class Forward:
    """Our GGUF of a folder beside the script's: what differs in tensors and in keys, nothing when they are equal."""

    tensors: Sequence[str] = ()
    keys: Sequence[str] = ()
    order: bool = False
    error: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the matrix; `unwritten` is the script's error where it cannot write the case.

    `trips` holds what each round trip changed, by the extension it went through.
    """

    case: Case
    backward: Backward | None
    forward: Forward | None
    trips: Mapping[str, Sequence[str]]
    unwritten: str | None = None

    @property
    def lost_named(self) -> bool:
        """Every fact that the file cannot hold is named in the notes of the conversion."""
        notes = self.backward.notes if self.backward else ()
        return all(any(key in note for note in notes) for key in self.case.lost)

    @property
    def good(self) -> bool:
        """True when everything is as it should be: equal, or lost by the script and named by us."""
        b, f = self.backward, self.forward
        back = b is None or (
            not b.error and not b.tokens and (b.difference == 0.0 or (bool(self.case.lost) and self.lost_named))
        )
        there = f is None or not (f.error or f.tensors or f.keys)
        return back and there and not any(self.trips.values()) and (self.unwritten is None or bool(self.case.unwritten))

    def cells(self) -> list[str]:
        """The figures, as text."""
        b, f = self.backward, self.forward
        logits = "not written" if b is None else "error" if b.difference is None else f"{b.difference:.3g}"
        sides = ["not written"] * 2
        if f is not None:
            sides = ["error" if f.error else _count(found) for found in (f.tensors, f.keys)]
        tokens = "not written" if b is None else "error" if b.error else _count(b.tokens)
        return [logits, tokens, *sides, *(_count(self.trips[via]) for via in (".gguf", ".apr"))]

    def remark(self) -> str:
        """What a reader of the line should know."""
        if self.unwritten is not None:
            return f"the script fails: {self.case.unwritten or self.unwritten}"
        named = "named in the report" if self.lost_named else "NOT named"
        return f"{', '.join(self.case.lost)}: not in the script's file, {named}" if self.case.lost else ""

    def details(self) -> list[str]:
        """Every single difference, for whoever looks for the mistake."""
        b, f = self.backward, self.forward
        out = [*b.tokens[:5], *([b.error] if b.error else [])] if b else []
        out += [*f.tensors[:5], *f.keys, *([f.error] if f.error else [])] if f else []
        return out + [f"via {via}: {line}" for via, lines in self.trips.items() for line in lines[:5]]


def _count(differences: Sequence[str]) -> str:
    return "equal" if not differences else f"{len(differences)} differ"


def measure(case: Case, folder: Path, unwritten: str | None = None) -> Row:
    """All directions of `case`; `folder` holds `hf` and the script's `script.gguf`, unless `unwritten` says why not."""
    trips = {via: _tried(case, folder, via) for via in (".gguf", ".apr")}
    if unwritten is not None:
        return Row(case, None, None, trips, unwritten)
    return Row(case, backward(case, folder), forward(case, folder), trips)


def _tried(case: Case, folder: Path, via: str) -> list[str]:
    try:
        return there_and_back(case, folder, via)
    except (HubError, OSError, ValueError, KeyError) as error:
        return [f"{type(error).__name__}: {error}"]


def backward(case: Case, folder: Path) -> Backward:
    """The script's file -> folder -> logits, against those of the original folder."""
    target = folder / "back"
    try:
        report = convert(Request(folder / "script.gguf", target, to="safetensors"))
        difference = logits_difference(case, folder / "hf", target)
        tokens = list(tokenizer_differences(folder / "hf", target))
    except (HubError, OSError, ValueError, KeyError, RuntimeError) as error:
        return Backward(None, error=f"{type(error).__name__}: {error}")
    return Backward(difference, tokens, told(report))


def tokenizer_differences(one: Path, other: Path) -> Iterator[str]:
    """One line for each text that the two folders' tokenizers encode or decode differently, and for the template."""
    from transformers import AutoTokenizer

    a, b = (AutoTokenizer.from_pretrained(path) for path in (one, other))
    for text in TEXTS:
        for special in (False, True):
            ids, others = (t(text, add_special_tokens=special)["input_ids"] for t in (a, b))
            if ids != others:
                wrong, right = (t.convert_ids_to_tokens(i)[:12] for t, i in ((b, others), (a, ids)))
                yield f"{text[:20]!r} is {wrong}, not {right}"
            elif a.decode(ids) != b.decode(ids):
                yield f"{text[:20]!r} comes back as {b.decode(ids)!r}, not {a.decode(ids)!r}"
    config = one / "tokenizer_config.json"
    stated = json.loads(config.read_text("utf-8")) if config.is_file() else {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token"):
        if stated.get(name) is not None and getattr(a, name) != getattr(b, name):
            yield f"{name} is {getattr(b, name)}, not {getattr(a, name)}"
    if a.chat_template != b.chat_template:
        yield f"the chat template is {b.chat_template!r}, not {a.chat_template!r}"


def logits_difference(case: Case, one: Path, other: Path) -> float:
    """The largest absolute difference; infinite when either is not finite or the shapes differ."""
    a, b = (factory.logits(case, path) for path in (one, other))
    finite = bool(a.isfinite().all()) and bool(b.isfinite().all())
    return float((a - b).abs().max()) if finite and a.shape == b.shape else float("inf")


def told(report: Report) -> list[str]:
    """Everything that a report says in words about what was lost, derived or left out."""
    return [*report.notes, *(f"{fact.key}: {fact.detail}" for fact in report.facts if fact.fate == "dropped")]


def forward(case: Case, folder: Path) -> Forward:
    """The folder -> our file, against the script's, both read by gguf's own reader."""
    target = folder / "ours.gguf"
    try:
        convert(Request(folder / "hf", target, to="gguf", options=Options(pre=case.pre, overwrite=True)))
    except (HubError, OSError, ValueError, KeyError) as error:
        return Forward(error=f"{type(error).__name__}: {error}")
    # llama.cpp has no pre-tokenizers for WordPiece; the script's name of one comes from a hash over a real vocabulary
    return beside(target, folder / "script.gguf", but=() if case.pre == case.told else ("tokenizer.ggml.pre",))


def beside(one: Path, other: Path, but: Sequence[str] = ()) -> Forward:
    """Our GGUF file `one` against the script's `other`, the keys `but` aside."""
    ours, theirs = read_gguf(one), read_gguf(other)
    own, wanted = (
        {key: value for key, value in keys.items() if not key.startswith("hub.") and key not in but}
        for keys in (ours.keys, theirs.keys)
    )
    return Forward(
        list(tensor_differences(ours.tensors, theirs.tensors)),
        list(key_differences(own, wanted)),
        list(own) == list(wanted),
    )


@dataclass(frozen=True)
class Gguf:
    """A GGUF file as gguf's reader sees it: keys with their types, tensors with dtype, shape and bytes, in order."""

    keys: dict[str, Field]
    tensors: dict[str, tuple[str, tuple[int, ...], NDArray[np.uint8]]]


def read_gguf(path: Path) -> Gguf:
    """Everything in the file at `path`."""
    from gguf import GGUFReader

    reader = GGUFReader(path)
    keys = {
        key: ("/".join(t.name for t in found.types), found.contents())
        for key, found in reader.fields.items() if not key.startswith("GGUF.")
    }  # fmt: skip
    tensors = {
        t.name: (
            t.tensor_type.name,
            tuple(int(n) for n in t.shape),
            np.ascontiguousarray(t.data).view(np.uint8).ravel(),
        )
        for t in reader.tensors
    }
    return Gguf(keys, tensors)


def tensor_differences(
    ours: Mapping[str, tuple[str, tuple[int, ...], NDArray[np.uint8]]],
    theirs: Mapping[str, tuple[str, tuple[int, ...], NDArray[np.uint8]]],
) -> Iterator[str]:
    """One line for each tensor that is missing, extra or different, and for an order that differs."""
    yield from (f"missing {name}" for name in theirs if name not in ours)
    yield from (f"extra {name}" for name in ours if name not in theirs)
    for name in [n for n in ours if n in theirs]:
        a, b = ours[name], theirs[name]
        if a[:2] != b[:2]:
            yield f"{name} is {a[0]} {a[1]}, not {b[0]} {b[1]}"
        elif not np.array_equal(a[2], b[2]):
            yield f"{name} differs in {int((a[2] != b[2]).sum())} of {a[2].size} bytes"
    if list(ours) != list(theirs) and set(ours) == set(theirs):
        yield "the order of the tensors"


def key_differences(ours: Mapping[str, Field], theirs: Mapping[str, Field]) -> Iterator[str]:
    """One line for each key that is missing, extra, or different in type or value."""
    yield from (f"missing {key} = {_short(theirs[key])}" for key in theirs if key not in ours)
    yield from (f"extra {key} = {_short(ours[key])}" for key in ours if key not in theirs)
    for key in [k for k in ours if k in theirs and ours[k] != theirs[k]]:
        a, b = ours[key], theirs[key]
        if isinstance(a[1], list) and isinstance(b[1], list) and a[0] == b[0]:
            at = next(
                (i for i, (x, y) in enumerate(zip(a[1], b[1], strict=False)) if x != y), min(len(a[1]), len(b[1]))
            )
            yield f"{key}[{at}] is {a[1][at : at + 1]}, not {b[1][at : at + 1]} (lengths {len(a[1])}, {len(b[1])})"
        else:
            yield f"{key} is {_short(a)}, not {_short(b)}"


def _short(found: Field) -> str:
    text = repr(found[1])
    return f"{found[0]} {text if len(text) < 60 else text[:57] + '...'}"


def there_and_back(case: Case, folder: Path, via: str) -> list[str]:
    """Folder -> `via` (an extension) -> folder: what is not as it was, tensor bytes and companion files alike."""
    middle, back = folder / f"middle{via}", folder / f"back{via.replace('.', '_')}"
    options = Options(pre=case.pre if via == ".gguf" else None)
    convert(Request(folder / "hf", middle, options=options))
    convert(Request(middle, back, to="safetensors"))
    return [*folder_differences(folder / "hf", back)]


def folder_differences(one: Path, other: Path) -> Iterator[str]:
    """One line for each tensor that differs in dtype, shape or bytes, and each companion file that is not the same."""
    a, b = folder_tensors(one), folder_tensors(other)
    yield from (f"missing {name}" for name in a if name not in b)
    yield from (f"extra {name}" for name in b if name not in a)
    for name in [n for n in a if n in b and a[n] != b[n]]:
        yield f"{name} is {a[name][:2]} and {b[name][:2]}" if a[name][:2] != b[name][:2] else f"{name} differs"
    for path in sorted(p for p in one.rglob("*") if p.is_file() and "safetensors" not in p.name):
        copy = other / path.relative_to(one)
        if not copy.is_file() or copy.read_bytes() != path.read_bytes():
            yield f"file {path.relative_to(one)} " + ("differs" if copy.is_file() else "is missing")


def folder_tensors(folder: Path) -> dict[str, tuple[str, list[int], bytes]]:
    """dtype, shape and bytes of every tensor of a folder, read from the files by hand."""
    out = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        header: dict[str, Any] = json.loads(data[8:start])
        for name, entry in header.items():
            if name != "__metadata__":
                first, last = entry["data_offsets"]
                out[name] = (entry["dtype"], entry["shape"], data[start + first : start + last])
    return out
