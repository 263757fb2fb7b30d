"""Licences: what the files and the user say, held to the SPDX list and to the names of the Hugging Face Hub.

The SPDX list is that of the package `packaging`. Where a licence is on the Hub's own list, the card names it so; one
that only SPDX knows is `other` with its SPDX identifier as `license_name`, as
https://huggingface.co/docs/hub/repositories-licenses says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.errors import UsageError

HUB = frozenset({
    "apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0",
    "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause", "bsd-3-clause",
    "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1",
    "eupl-1.2", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "isc", "h-research",
    "intel-research", "lppl-1.3c", "ms-pl", "apple-ascl", "apple-amlr", "mpl-2.0", "odc-by", "odbl", "openmdw-1.0",
    "openrail++", "osl-3.0", "postgresql", "ofl-1.1", "ncsa", "unlicense", "zlib", "pddl", "lgpl-lr",
    "deepfloyd-if-license", "fair-noncommercial-research-license", "llama2", "llama3", "llama3.1", "llama3.2",
    "llama3.3", "llama4", "grok2-community", "gemma", "unknown", "other",
})  # fmt: skip
OPEN = ("other", "unknown")
"""The Hub's words for what is on no list; they contradict nothing."""

# SPDX tells -only from -or-later, the Hub does not.
_GNU = re.compile(r"(a?gpl|lgpl)-(\d\.\d)(-only|-or-later)?")

# The licence that a text is, by what stands at its head.
_TITLES = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), licence)
    for pattern, licence in (
        (r"SPDX-License-Identifier:\s*(?P<spdx>[\w.+() -]+)", ""),
        (r"\s*Apache License\s+Version 2\.0", "apache-2.0"),
        (r"\s*(The )?MIT License", "mit"),
        (r"\s*BSD 3-Clause License", "bsd-3-clause"),
        (r"\s*BSD 2-Clause License", "bsd-2-clause"),
        (r"\s*GNU GENERAL PUBLIC LICENSE\s+Version 3", "gpl-3.0"),
        (r"\s*GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3", "agpl-3.0"),
        (r"\s*Mozilla Public License,? Version 2\.0", "mpl-2.0"),
        (r"\s*LLAMA 2 COMMUNITY LICENSE AGREEMENT", "llama2"),
        (r"\s*(META )?LLAMA 3 COMMUNITY LICENSE AGREEMENT", "llama3"),
        (r"\s*LLAMA 3\.1 COMMUNITY LICENSE AGREEMENT", "llama3.1"),
        (r"\s*LLAMA 3\.2 COMMUNITY LICENSE AGREEMENT", "llama3.2"),
        (r"\s*LLAMA 3\.3 COMMUNITY LICENSE AGREEMENT", "llama3.3"),
        (r"\s*LLAMA 4 COMMUNITY LICENSE AGREEMENT", "llama4"),
        (r"\s*Gemma Terms of Use", "gemma"),
    )
)
_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence: `id` on the Hub's list, `name` where that is "other", and who `said` so."""

    id: str
    name: str | None
    said: str

    def __str__(self) -> str:
        return self.name or self.id

    def data(self) -> dict[str, str]:
        """The keys of a model card that say it."""
        return {"license": self.id, **({"license_name": self.name} if self.name else {})}


def licence(text: str, said: str) -> Licence:
    """The licence that `text` names; `UsageError` when neither SPDX nor the Hub knows it."""
    low = text.strip().lower()
    if low in HUB:
        return Licence(low, None, said)
    gnu = _GNU.fullmatch(low)
    spdx = _spdx(text)
    if spdx is None:
        raise UsageError(
            f"{said}: {text!r} is no licence on the SPDX list, nor on the Hub's",
            hint="https://spdx.org/licenses has them; llama3.2, gemma and other are names of the Hub's own",
        )
    if gnu and f"{gnu[1]}-{gnu[2]}" in HUB:
        return Licence(f"{gnu[1]}-{gnu[2]}", spdx, said)
    return Licence("other", spdx, said)


def _spdx(text: str) -> str | None:
    """The SPDX expression that `text` is, in its own spelling; None when it is none."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return str(canonicalize_license_expression(text.strip()))
    except InvalidLicenseExpression:
        return None


def of_text(path: Path, said: str) -> Licence | None:
    """The licence that the file `path` is the text of; None when its head is not known."""
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8", "replace")
    for pattern, known in _TITLES:
        found = pattern.match(head) if known else pattern.search(head)
        if found:
            return licence(known or found["spdx"].strip(), said)
    return None


def of_card(data: Mapping[str, Any], said: str) -> Licence | None:
    """The licence in a card's front matter; `UsageError` when there is one and it is on no list."""
    value = data.get("license")
    if value is None:
        return None
    if isinstance(value, list):
        several = [licence(str(one), said) for one in value]
        return Licence(several[0].id, None, said) if len(several) == 1 else Licence("other", _joined(several), said)
    found = licence(str(value), said)
    name = data.get("license_name")
    return Licence(found.id, str(name), said) if name and found.id == "other" else found


def _joined(several: Iterable[Licence]) -> str:
    return ", ".join(map(str, several))


def agreed(said: Iterable[Licence]) -> tuple[Licence | None, str | None]:
    """The licence that all agree on, the first one's spelling, and what is wrong when they do not."""
    all_of = list(said)
    closed = [one for one in all_of if one.id not in OPEN or one.name]
    chosen = next(iter(closed or all_of), None)
    other = next((one for one in closed if chosen and str(one).lower() != str(chosen).lower()), None)
    if chosen and other and not _same(chosen, other):
        return chosen, f"{chosen.said} says {chosen}, and {other.said} says {other}"
    return chosen, None


def _same(a: Licence, b: Licence) -> bool:
    """True for one licence that two spell with more and with less of it: gpl-3.0, GPL-3.0-only."""
    return a.id == b.id != "other" and (a.name is None or b.name is None)
