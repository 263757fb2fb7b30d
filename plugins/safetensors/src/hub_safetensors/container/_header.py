"""Reading the header: every claim it makes is checked before anything is sized by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import ENCODINGS, Encoding, File, Tensor

MAX_HEADER = 100_000_000  # the reference library's own limit
METADATA = "__metadata__"
ALIGNMENT = 8  # of the payload

# What the format calls them; the encodings of the hub have the same names.
DTYPES: dict[str, Encoding] = {
    name: ENCODINGS[name]
    for name in (
        "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64",
        "F64", "I64", "U64",
    )
}  # fmt: skip

# Known to newer releases of the format: values that share bytes, or codes that the hub cannot decode.
_NOT_CONVERTED = {"F4", "F6_E2M3", "F6_E3M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"}
_KEYS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor as the header states it: its bytes lie from `start` to `stop` after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @classmethod
    def of(cls, tensor: Tensor) -> Entry:
        """The entry of a tensor that has no place yet."""
        return cls(tensor.name, tensor.encoding.name, tensor.shape, 0, tensor.nbytes)


@dataclass(frozen=True, slots=True)
class Header:
    """A header: `raw`, the JSON with its padding; `entries` in the order it lists them; `metadata` of strings."""

    raw: bytes
    entries: tuple[Entry, ...]
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def start(self) -> int:
        """Byte of the file at which the tensors' bytes begin."""
        return 8 + len(self.raw)

    def tensors(self, file: File) -> Iterator[Tensor]:
        """The tensors as views of `file`, in the header's order."""
        for entry in self.entries:
            yield Tensor.from_file(entry.name, entry.shape, DTYPES[entry.dtype], file, self.start + entry.start)


class _RepeatedKeyError(ValueError):
    pass


def plausible(head: bytes, size: int) -> bool:
    """True when `head`, the first bytes of a file of `size` bytes, can begin a SafeTensors file."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= min(MAX_HEADER, size - 8)


def read_header(file: File) -> Header:
    """The header of `file`; `DamagedFile` names what is wrong and where, `UnsupportedFile` a dtype not converted."""
    header = parse_header(read_text(file), file.path)
    check_entries(header, file.size, file.path)
    return header


def read_text(file: File) -> bytes:
    """The header's JSON as bytes; its announced length is checked against the file and the format's limit."""
    length = _length(file)
    parts = []
    for at in range(8, 8 + length, 1 << 20):
        part = file.read(at, min(1 << 20, 8 + length - at))
        zero = part.find(b"\0")  # a hole of zeros ends the reading before it costs anything
        if zero >= 0:
            raise _damaged(file.path, at + zero, "the header is JSON text; this is a zero byte")
        parts.append(part)
    return b"".join(parts)


def _length(file: File) -> int:
    if file.size < 8:
        raise _damaged(file.path, 0, f"a header length of 8 bytes was expected; the file has {file.size}")
    length = int.from_bytes(file.read(0, 8), "little")
    if length > MAX_HEADER:
        raise _damaged(file.path, 0, f"a header of at most {MAX_HEADER} bytes was expected, not {length}")
    if length > file.size - 8:
        raise _damaged(file.path, 0, f"a header of {length} bytes was announced; {file.size - 8} bytes follow")
    if not length or file.read(8, 1) != b"{":
        raise _damaged(file.path, 8, "a header that begins with '{' was expected")
    return length


def parse_header(raw: bytes, path: Path | str) -> Header:
    """The JSON `raw` of the file at `path`, every entry of the right form; where they lie is not looked at."""
    try:
        fields = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise _damaged(path, 8 + error.start, "the header is UTF-8; these bytes are not") from None
    except json.JSONDecodeError as error:
        raise _damaged(path, 8 + len(error.doc[: error.pos].encode()), f"the header is not JSON: {error.msg}") from None
    except _RepeatedKeyError as error:
        raise _damaged(path, _find(raw, str(error)), f"the header names {str(error)[:80]!r} twice") from None
    except RecursionError:
        raise _damaged(path, 8, "the header nests too deep; 3 levels were expected") from None
    except ValueError:  # an integer of thousands of digits
        raise _damaged(path, 8, "the header holds a number beyond all sizes") from None
    metadata = fields.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(_is_text(v) for item in metadata.items() for v in item):
        raise _damaged(path, _find(raw, METADATA), f"{METADATA} holds strings only")
    return Header(raw, tuple(_entry(path, raw, name, value) for name, value in fields.items()), metadata)


def check_entries(header: Header, size: int, path: Path | str) -> None:
    """`DamagedFile` unless the tensors fill a file of `size` bytes without overlap or hole, each as its shape says."""
    end, last = 0, "the header"
    payload = size - header.start
    for entry in sorted(header.entries, key=lambda e: (e.start, e.stop)):
        at = header.start + entry.start
        need = DTYPES[entry.dtype].size(entry.shape)
        if entry.stop > payload:
            raise _damaged(path, at, f"ends at byte {header.start + entry.stop}, the file at {size}", entry.name)
        if entry.start < end:
            raise _damaged(path, at, f"overlaps {last!r}; byte {header.start + end} was expected", entry.name)
        if entry.start > end:
            raise _damaged(path, at, f"leaves {entry.start - end} unused bytes after {last!r}", entry.name)
        if entry.stop - entry.start != need:
            message = f"{entry.dtype} of shape {list(entry.shape)} takes {need} bytes, not {entry.stop - entry.start}"
            raise _damaged(path, at, message, entry.name)
        end, last = entry.stop, entry.name
    if end != payload:
        raise _damaged(path, header.start + end, f"{payload - end} bytes follow the last tensor; none were expected")


def _damaged(path: Path | str, offset: int, message: str, tensor: str | None = None) -> DamagedFile:
    return DamagedFile(message, file=path, offset=offset, tensor=tensor and tensor[:200])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise _RepeatedKeyError(key)
        fields[key] = value
    return fields


def _entry(path: Path | str, raw: bytes, name: str, value: Any) -> Entry:
    if isinstance(value, dict) and str(value.get("dtype")) in _NOT_CONVERTED:
        raise UnsupportedFile(f"dtype {value['dtype']} is not converted", file=path, tensor=name[:200])
    wrong = _what_is_wrong(name, value)
    if wrong:
        raise _damaged(path, _find(raw, name), wrong, name)
    return Entry(name, value["dtype"], tuple(value["shape"]), *value["data_offsets"])


def _what_is_wrong(name: str, value: Any) -> str:
    if not _is_text(name):
        return "the name is not valid Unicode"
    if not isinstance(value, dict) or value.keys() != _KEYS:
        return "dtype, shape and data_offsets were expected, and nothing else"
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        return f"unknown dtype {str(dtype)[:40]!r}; known are {', '.join(DTYPES)}"
    if not _are_sizes(shape):
        return f"a shape is a list of sizes, not {str(shape)[:40]}"
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        return f"data_offsets are a start and an end, not {str(offsets)[:60]}"
    return ""


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 1 << 63 for v in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in (value if not value.isascii() else ""))


def _find(raw: bytes, key: str) -> int:
    """Byte of the file at which the header names `key` last; its beginning when it spells it with escapes."""
    return 8 + max(0, raw.rfind(json.dumps(key, ensure_ascii=False).encode("utf-8", "surrogatepass")))
