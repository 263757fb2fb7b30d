"""A reader of GGUF that is careless in the way that the environment names."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hub.errors import DamagedFile, HubError, UnsupportedFile
from hub.hookspecs import hookimpl
from hub.interface import Finding, Format, Stage
from hub.ir import ENCODINGS, Model, Tensor
from hub_gguf import GgufFormat

FAULT = os.environ.get("CARELESS_FAULT", "")
MODEL = Model({"w": Tensor.from_bytes("w", (2,), ENCODINGS["F32"], struct.pack("<2f", 1, 2))}, naming="native")


class Careless(GgufFormat):
    """GGUF, read without care."""

    def read(self, path: Path) -> Model:
        """The model, or what the fault makes of damage."""
        try:
            return super().read(path)
        except HubError as error:
            return _instead(error)

    def validate(self, path: Path) -> Iterator[Finding]:
        """The findings, or what the fault makes of them."""
        for found in super().validate(path):
            if FAULT == "raises in validate" and found.outcome == "FAIL":
                raise KeyError(found.detail)
            if FAULT == "accepts everything":
                yield replace(found, outcome="PASS")
            elif FAULT == "blames the magic" and found.outcome == "FAIL":
                yield replace(found, stage=Stage.MAGIC)
            else:
                yield found


def _instead(error: HubError) -> Model:
    if FAULT == "accepts everything":
        return MODEL
    if FAULT == "needs memory":
        len(b"x" * (600 << 20))
    if FAULT == "believes the file":
        len(b"x" * (1 << 40))
    if FAULT == "hangs":
        time.sleep(600)
    if FAULT == "crashes":
        os._exit(3)
    if FAULT == "raises its own":
        raise struct.error(error.message)
    if FAULT == "calls it unsupported" and isinstance(error, DamagedFile):
        raise UnsupportedFile(error.message)
    raise error


@hookimpl
def hub_formats() -> Sequence[Format]:
    """The careless reader."""
    return [Careless()]
