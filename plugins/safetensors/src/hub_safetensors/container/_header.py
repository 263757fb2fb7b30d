"""Reading the header: every claim it makes is checked before anything is sized by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import ENCODINGS, Encoding, File, Tensor

MAX_HEADER = 100_000_000  # the reference library's own limit
METADATA = "__metadata__"

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
        """The tensors as views of `file`, in the order of their bytes."""
        for entry in sorted(self.entries, key=lambda e: (e.start, e.stop)):
            yield Tensor.from_file(entry.name, entry.shape, DTYPES[entry.dtype], file, self.start + entry.start)


class _RepeatedKeyError(ValueError):
    pass


def plausible(head: bytes, size: int) -> bool:
    """True when `head`, the first bytes of a file of `size` bytes, can begin a SafeTensors file."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= min(MAX_HEADER, size - 8)


def read_header(file: File) -> Header:
    """The header of `file`; `DamagedFile` names what is wrong and where, `UnsupportedFile` a dtype not converted."""
    header = parse_header(file, read_length(file))
    check_entries(file, header)
    return header


def read_length(file: File) -> int:
    """Bytes of the header, from the first 8 bytes; checked against the file and the format's limit."""
    if file.size < 8:
        raise _damaged(file, 0, f"a header length of 8 bytes was expected; the file has {file.size}")
    length = int.from_bytes(file.read(0, 8), "little")
    if length > MAX_HEADER:
        raise _damaged(file, 0, f"a header of at most {MAX_HEADER} bytes was expected, not {length}")
    if length > file.size - 8:
        raise _damaged(file, 0, f"a header of {length} bytes was announced; {file.size - 8} bytes follow")
    if not length or file.read(8, 1) != b"{":
        raise _damaged(file, 8, "a header that begins with '{' was expected")
    return length


def parse_header(file: File, length: int) -> Header:
    """The JSON of `length` bytes as a header whose entries have the right form; where they lie is not looked at."""
    raw = _read_text(file, length)
    try:
        fields = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise _damaged(file, 8 + error.start, "the header is UTF-8; these bytes are not") from None
    except json.JSONDecodeError as error:
        raise _damaged(file, 8 + len(error.doc[: error.pos].encode()), f"the header is not JSON: {error.msg}") from None
    except _RepeatedKeyError as error:
        raise _damaged(file, _find(raw, str(error)), f"the header names {str(error)[:80]!r} twice") from None
    except RecursionError:
        raise _damaged(file, 8, "the header nests too deep; 3 levels were expected") from None
    except ValueError:  # an integer of thousands of digits
        raise _damaged(file, 8, "the header holds a number beyond all sizes") from None
    metadata = _metadata(file, raw, fields.pop(METADATA, {}))
    return Header(raw, tuple(_entry(file, raw, name, value) for name, value in fields.items()), metadata)


def check_entries(file: File, header: Header) -> None:
    """`DamagedFile` unless the tensors' bytes fill the file: in range, no overlap, no hole, as long as their shapes."""
    end, last = 0, "the header"
    payload = file.size - header.start
    for entry in sorted(header.entries, key=lambda e: (e.start, e.stop)):
        at = header.start + entry.start
        need = DTYPES[entry.dtype].size(entry.shape)
        if entry.stop > payload:
            raise _damaged(file, at, f"ends at byte {header.start + entry.stop}, the file at {file.size}", entry.name)
        if entry.start < end:
            raise _damaged(file, at, f"overlaps {last!r}; byte {header.start + end} was expected", entry.name)
        if entry.start > end:
            raise _damaged(file, at, f"leaves {entry.start - end} unused bytes after {last!r}", entry.name)
        if entry.stop - entry.start != need:
            message = f"{entry.dtype} of shape {list(entry.shape)} takes {need} bytes, not {entry.stop - entry.start}"
            raise _damaged(file, at, message, entry.name)
        end, last = entry.stop, entry.name
    if end != payload:
        raise _damaged(file, header.start + end, f"{payload - end} bytes follow the last tensor; none were expected")


def _damaged(file: File, offset: int, message: str, tensor: str | None = None) -> DamagedFile:
    return DamagedFile(message, file=file.path, offset=offset, tensor=tensor and tensor[:200])


def _read_text(file: File, length: int) -> bytes:
    """The header's bytes; a NUL ends the reading at once, so that a hole of zeros costs nothing."""
    parts = []
    for at in range(8, 8 + length, 1 << 20):
        part = file.read(at, min(1 << 20, 8 + length - at))
        zero = part.find(b"\0")
        if zero >= 0:
            raise _damaged(file, at + zero, "the header is JSON text; this is a zero byte")
        parts.append(part)
    return b"".join(parts)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise _RepeatedKeyError(key)
        fields[key] = value
    return fields


def _metadata(file: File, raw: bytes, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(_is_text(v) for item in value.items() for v in item):
        raise _damaged(file, _find(raw, METADATA), f"{METADATA} holds strings only")
    return value


def _entry(file: File, raw: bytes, name: str, value: Any) -> Entry:
    if isinstance(value, dict) and str(value.get("dtype")) in _NOT_CONVERTED:
        raise UnsupportedFile(f"dtype {value['dtype']} is not converted", file=file.path, tensor=name)
    wrong = _what_is_wrong(name, value)
    if wrong:
        raise _damaged(file, _find(raw, name), wrong, name)
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
