"""What signatures and provenance beside models say, without believing them: for the card, and to find stale ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hub.errors import HubError
from hub.signing import Bundle, Statement, read_bundle
from hub.signing.provenance import told
from hub_sources.publishing._card import Origin
from hub_sources.publishing._files import Lying

_ALONE = "."  # how a statement names the only file of a model that is a file
_INSIDE = "model.sig"
_PROVENANCE = ".provenance.jsonl"


def origin(there: Lying) -> Origin:
    """Who is said to have signed what, and of which conversions the provenance tells."""
    signatures = [_signer(name, *_read(there.root / name)) for name in _named(there, ".sig")]
    steps: list[str] = []
    for name in _named(there, "provenance.jsonl"):
        try:
            steps += map(str, told(there.root / name))
        except HubError:  # `stale` says so
            continue
    return Origin(tuple(filter(None, signatures)), tuple(steps))


def stale(there: Lying, digests: Mapping[str, tuple[int, str]]) -> Iterator[str]:
    """A line for each signature that is of other files than lie there, and for provenance that cannot be read.

    Whose key it is, is not asked: a signature that cannot hold for anybody must not be published.
    """
    for name in _named(there, ".sig"):
        bundle, statement = _read(there.root / name)
        if bundle is None or statement is None:
            yield f"{name} is no signature that can be read"
            continue
        wanted = _wanted(name, statement)
        changed = sorted(n for n, sha256 in wanted.items() if digests.get(n, (0, ""))[1] != sha256)
        if name == _INSIDE:
            left = {*statement.ignored, name}
            changed += sorted(n for n in digests if n not in wanted and not _below(n, left))
        if changed:
            yield f"{name} is of other files than lie here ({', '.join(changed[:3])}): sign again"
    for name in _named(there, "provenance.jsonl"):
        yield from _stale_steps(name, there, digests)


def _stale_steps(name: str, there: Lying, digests: Mapping[str, tuple[int, str]]) -> Iterator[str]:
    """A line when the last step that the provenance `name` tells of left other files than lie here."""
    try:
        last = told(there.root / name)[-1]
    except HubError as error:
        yield f"{name} is no provenance that can be read: {error.message}"
        return
    folder, alone = name[: name.rfind("/") + 1], name.removesuffix(_PROVENANCE)
    one = len(last.files) == 1 and alone in digests  # a file may be called anything
    wanted = {alone if one else folder + n: sha256 for n, sha256 in last.files.items()}
    changed = sorted(n for n, sha256 in wanted.items() if digests.get(n, (0, ""))[1] != sha256)
    if changed:
        yield f"{name} tells of other files than lie here ({', '.join(changed[:3])})"


def _below(name: str, left: set[str]) -> bool:
    return any(name == one or name.startswith(f"{one}/") for one in left)


def _wanted(name: str, statement: Statement) -> dict[str, str]:
    """The files that the signature `name` is of, named as they lie in the folder."""
    if [*statement.files] == [_ALONE]:
        return {name.removesuffix(".sig"): statement.files[_ALONE]}
    folder = name[: name.rfind("/") + 1]
    return {folder + n: sha256 for n, sha256 in statement.files.items()}


def _named(there: Lying, ending: str) -> list[str]:
    return [n for n in there.names if n.endswith(ending)]


def _read(file: Path) -> tuple[Bundle | None, Statement | None]:
    try:
        bundle = read_bundle(file)
        return bundle, Statement.parse(bundle.payload, file)
    except HubError:
        return None, None


def _signer(name: str, bundle: Bundle | None, statement: Statement | None) -> str:
    if bundle is None or statement is None:
        return ""
    number = "" if statement.sequence is None else f", version {statement.sequence}"
    key = f"key {bundle.hint[:16]}" if bundle.hint else "a key that it does not name"
    return f"{name} says that {statement.called!r}{number} was signed with {key}"
