"""A sound format, and the same with one fault on purpose: the fault that the environment names."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.codecs import recode
from hub.errors import DamagedFile, HubError
from hub.hookspecs import hookimpl
from hub.interface import BaseFormat, Capabilities, Finding, Format, Magic, Options, Plan, Sink, Stage
from hub.ir import ENCODINGS, F32, File, MemoryRows, Model, Tensor
from hub_conformance.notation import dump, model_of

FAULT = os.environ.get("SOUND_FAULT", "")
HELD = frozenset(name for name, encoding in ENCODINGS.items() if encoding.block == 1 and encoding.header == 0) | {
    "Q8_0"
}
_START = 12

if FAULT == "raises at import":
    raise RuntimeError("this plugin does not import")


def header(plan: Plan) -> bytes:
    """Everything but the numbers, behind its length and checksum."""
    model: Model = plan.document
    document = dump(replace(model, tensors={})) | _faulty_document(model)
    tensors = [p.tensor for p in plan.tensors]
    document["tensors"] = [[t.name, t.encoding.name, t.shape] for t in tensors]
    text = json.dumps(document, sort_keys=True).encode()
    return b"SND1" + len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little") + text


def _faulty_document(model: Model) -> dict[str, Any]:
    faults: Mapping[str, dict[str, Any]] = {
        "loses the tokenizer": {"tokenizer": None},
        "loses the configuration": {"config": {}},
        "loses the files": {"files": {}},
        "loses the ties": {"ties": {}},
        "rounds the configuration": {"config": {k: 0.1 if v == 1e-05 else v for k, v in model.config.items()}},
        "writes the time": {"unnamed": [], "metadata": {**model.metadata, "made": time.time()}},
        "writes the day": {"metadata": {**model.metadata, "made": int(time.time()) // 86400}},
    }
    return faults.get(FAULT, {})


def altered(tensor: Tensor) -> Tensor:
    """What a fault makes of a tensor on its way to the file."""
    if FAULT == "swaps bytes" and tensor.encoding.nbytes == 4:
        return replace(tensor, rows=MemoryRows(tensor.rows.read().reshape(-1, 4)[:, ::-1].reshape(tensor.rows.n, -1)))
    square = len(tensor.shape) == 2 and tensor.shape[0] == tensor.shape[1] and tensor.encoding.block == 1
    if FAULT == "transposes" and square and tensor.nbytes:
        return tensor.transposed()
    return tensor


class Sound(BaseFormat):
    """A header in JSON and the tensors behind it."""

    name, title = "sound", "Sound"
    extensions: tuple[str, ...] = (".sound",)
    magic: tuple[Magic, ...] = () if FAULT == "claims foreign files" else (Magic(b"SND1"),)
    capabilities = Capabilities(HELD)
    drops = frozenset({"lies about drops": ["metadata"], "names an unknown word": ["colour"]}.get(FAULT, []))

    def sniff(self, path: Path, head: bytes) -> bool:
        """By its magic."""
        return FAULT == "claims foreign files" or super().sniff(path, head)

    def plan(self, model: Model, options: Options) -> Plan:
        """As every format does."""
        if FAULT == "writes while it plans":
            Path("planned.txt").write_text("once")
        made = super().plan(model, options)
        if FAULT == "drops the last tensor" and len(made.tensors) > 1:
            return replace(made, tensors=made.tensors[:-1])
        if FAULT == "claims an encoding":
            made = replace(made, tensors=[replace(p, tensor=recode(p.tensor, F32)) for p in made.tensors])
        if FAULT == "refuses":
            raise DamagedFile("not today")
        return made

    def write(self, plan: Plan, sink: Sink, options: Options) -> None:
        """The header, then each tensor."""
        head = header(plan)
        path = sink.create()
        path.write_bytes(head)
        at, placements = len(head), []
        for planned in plan.tensors:
            placements.append((at, altered(planned.tensor)))
            at += planned.tensor.nbytes
        sink.copy(path, placements)
        _misbehave(sink.target)

    def read(self, path: Path) -> Model:
        """Everything but the numbers."""
        if FAULT == "hangs":
            time.sleep(600)
        if FAULT == "reads all":
            bytearray(path.read_bytes())
        file = File(path)
        document = _checked(file)
        at, tensors = _START + int.from_bytes(file.read(4, 4), "little"), {}
        for name, encoding, shape in document.pop("tensors"):
            tensors[name] = _tensor(name, shape, encoding, file, at)
            at += tensors[name].nbytes
        if at != file.size and FAULT != "ignores truncation":
            raise DamagedFile(f"{at} bytes were expected, the file has {file.size}", file=path)
        return replace(model_of({**document, "tensors": []}), tensors=tensors)

    def validate(self, path: Path) -> Iterator[Finding]:
        """Whether it can be read."""
        if FAULT == "crashes" and path.read_bytes().startswith(b"SND1"):
            os.abort()
        if FAULT == "finds fault with what it wrote":
            yield Finding(Stage.HEADER, "FAIL", "it is wrong")
        yield from super().validate(path)


def _tensor(name: str, shape: list[int], encoding: str, file: File, at: int) -> Tensor:
    made = Tensor.from_file(name, shape, ENCODINGS[encoding], file, at)
    if FAULT == "ignores truncation" and at + made.nbytes > file.size:
        return Tensor.from_bytes(name, shape, ENCODINGS[encoding], bytes(made.nbytes))
    return made


def _checked(file: File) -> dict[str, Any]:
    if file.read(0, 4) != b"SND1":
        raise DamagedFile("no SND1 at the start", file=file.path, offset=0)
    size, crc = (int.from_bytes(file.read(at, 4), "little") for at in (4, 8))
    text = file.read(_START, size)
    if FAULT == "raises what it likes":
        return dict(json.loads(text))
    if zlib.crc32(text) != crc:
        raise DamagedFile("the header's checksum is wrong", file=file.path, offset=8)
    return dict(json.loads(text))


def _misbehave(target: Path) -> None:
    if FAULT == "writes beside its target":
        (target.parent.parent / "trace.txt").write_text("once")
    if FAULT == "opens a socket":
        socket.socket().close()
    if FAULT == "runs a program":
        subprocess.run([sys.executable, "--version"], check=True, stdout=subprocess.DEVNULL)
    if FAULT == "unpickles":
        pickle.loads(pickle.dumps(HubError("x")))  # noqa: S301 - on purpose


@hookimpl
def hub_formats() -> Sequence[Format]:
    """The one format."""
    return [Sound()]
