"""Opening a GGUF and listing its tensors: gguf_open.py MODEL.gguf package|hub|struct.

`package` is the gguf package's reader, `hub` the one of hub-gguf. `struct` is the least that a reader can do: walk the
header with the struct module, skip the values, keep the tensors' lines.
"""

from __future__ import annotations

import sys
from pathlib import Path
from struct import calcsize, unpack_from

WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9


def skip(data: memoryview, at: int, kind: int) -> int:
    """The place behind a value of type `kind` at `at`."""
    if kind == STRING:
        return at + 8 + int(unpack_from("<Q", data, at)[0])
    if kind != ARRAY:
        return at + WIDTHS[kind]
    inner, count = unpack_from("<IQ", data, at)
    at += calcsize("<IQ")
    if inner in WIDTHS:
        return at + WIDTHS[inner] * int(count)
    for _ in range(count):
        at = skip(data, at, inner)
    return at


def walk(path: str) -> int:
    """Number of tensors whose lines were read."""
    import mmap

    with open(path, "rb") as file:  # noqa: PTH123  # the least there is
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    _, _, tensors, keys = unpack_from("<IIQQ", data)
    at = 24
    for _ in range(keys):
        at += 8 + int(unpack_from("<Q", data, at)[0])
        at = skip(data, at + 4, unpack_from("<I", data, at)[0])
    lines = []
    for _ in range(tensors):
        length = int(unpack_from("<Q", data, at)[0])
        name = bytes(data[at + 8 : at + 8 + length])
        dims = int(unpack_from("<I", data, at + 8 + length)[0])
        lines.append((name, unpack_from(f"<{dims}QIQ", data, at + 12 + length)))
        at += 12 + length + calcsize(f"<{dims}QIQ")
    return len(lines)


def main(path: str, how: str) -> None:
    """Print the number of tensors."""
    if how == "struct":
        print(walk(path))
        return
    if how == "hub":
        from hub_gguf.container import read_header

        print(len(read_header(Path(path)).tensors))
        return
    import gguf

    print(len(gguf.GGUFReader(path).tensors))


if __name__ == "__main__":
    main(*sys.argv[1:])
