"""What a fault is, and the words that all tables share."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

DAMAGED, UNSUPPORTED, MISSING = "DamagedFile", "UnsupportedFile", "MissingFact"
# Counts and sizes as an attacker chooses them: the largest, the first that is negative when signed, a plain large one.
U32, U64, SIGN = (1 << 32) - 1, (1 << 64) - 1, 1 << 63

# A member of an archive, and what it holds.
Members = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Fault:
    """One vector: what is wrong with it in words, the stage that must fail, the error that must come of it.

    `stage` is one of the ten of `hub check`, or a check of values that `hub validate` makes ("nan"). `error` is the
    class that opening or converting must raise, empty for a fault that only a check can see. Several files make an
    archive; `opens` is the member that is opened then, "" for the folder itself.
    """

    name: str
    words: str
    stage: str
    error: str
    data: bytes | Members
    opens: str = ""


def control(name: str, data: bytes | Members, opens: str = "", error: str = "") -> Fault:
    """A valid file as a vector without a fault: what fails it would fail every other one too."""
    return Fault(f"valid-{name}", "none: this is what the others are made from", "", error, data, opens)


def archive(members: Members) -> bytes:
    """An uncompressed ZIP of `members`, the same bytes on every day and machine."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()
