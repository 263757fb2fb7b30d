"""NumPy's .npz as a format of hub: an array per tensor, and one of bytes for config, tokenizer and all the rest.

`numpy.load` reads every member of such a file, and files of `numpy.savez` are read as models without a config.
"""

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

from numpy.lib import format as npy

from hub.errors import DamagedFile, UnsupportedFile, as_damage
from hub.hookspecs import hookimpl
from hub.interface import BaseFormat, Capabilities, Format, Magic, Options, Plan, Sink
from hub.ir import ENCODINGS, U8, File, Model, Tensor, by_name, packed_facts, unpacked_facts

FACTS = "hub.jsonl"
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
          "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1", "C64": "<c8"}  # fmt: skip
ENCODING = {descr: ENCODINGS[name] for name, descr in DTYPES.items()}
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def tensor(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: File) -> Tensor:
    """The tensor in one member of the archive: a view of the file, nothing of it read but the header."""
    with archive.open(member) as opened:
        shape, by_columns, dtype = HEADERS[npy.read_magic(opened)](opened)
        header, name = opened.tell(), member.filename.removesuffix(".npy")
    if member.compress_type or dtype.str not in ENCODING or (by_columns and len(shape) > 1):
        raise UnsupportedFile(f"a {dtype} array that is packed, of objects or in another order", tensor=name)
    local = member.header_offset + 30 + sum(struct.unpack("<HH", file.read(member.header_offset + 26, 4)))
    if header + ENCODING[dtype.str].size(shape) != member.file_size or member.comment:
        raise DamagedFile("its size is not that of its header, or it bears a comment", tensor=name)
    return Tensor.from_file(name, shape, ENCODING[dtype.str], file, local + header)


class Npz(BaseFormat):
    """One .npz file, not compressed."""

    name, title = "npz", "NumPy npz"
    extensions: tuple[str, ...] = (".npz",)
    magic: tuple[Magic, ...] = (Magic(b"PK\3\4"),)
    capabilities = Capabilities(frozenset(DTYPES))

    def sniff(self, path: Path, head: bytes) -> bool:
        """True for a zip whose first member is an array; other zips are others' models."""
        return head[30 : 30 + int.from_bytes(head[26:28], "little")].endswith(b".npy")

    def read(self, path: Path) -> Model:
        """The model at `path`; one of `numpy.savez` has tensors alone."""
        file = File(path)
        with as_damage(path), zipfile.ZipFile(path) as archive:
            tensors = by_name((tensor(archive, member, file) for member in archive.infolist()), path)
        facts = tensors.pop(FACTS, None)
        return unpacked_facts(facts.read(), tensors, file=path) if facts else Model(tensors, naming="native")

    def write(self, plan: Plan, sink: Sink, options: Options) -> None:
        """Write what is not a tensor, then every tensor."""
        facts = packed_facts(plan.document)
        first = Tensor.from_bytes(FACTS, (len(facts),), U8, facts)
        with zipfile.ZipFile(sink.create(), "w") as archive:
            for one in (first, *(planned.tensor for planned in plan.tensors)):
                header = {"descr": DTYPES[one.encoding.name], "fortran_order": False, "shape": one.shape}
                with archive.open(f"{one.name}.npy", "w", force_zip64=True) as out:
                    npy.write_array_header_1_0(out, header)
                    out.writelines(sink.stream(one))


@hookimpl
def hub_formats() -> Sequence[Format]:
    """The one format."""
    return [Npz()]
