from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hub.interface import Options
from hub.ir import Model
from hub.pipeline import Copier, Silent, Target, default_budget
from hub_apr import APR
from hub_apr.container import Header

FIXTURES = Path(__file__).parent / "fixtures"


def entries() -> list[dict[str, Any]]:
    manifest: dict[str, Any] = json.loads((FIXTURES / "manifest.json").read_text())
    found: list[dict[str, Any]] = manifest["fixtures"]
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`fixture`: every file of the manifest; `v2`, `v1`, `refused`: those of that kind."""
    kinds: dict[str, Callable[[dict[str, Any]], bool]] = {
        "fixture": lambda e: bool(e),
        "v2": lambda e: e.get("dump", {}).get("dialect") == "v2",
        "v1": lambda e: e.get("dump", {}).get("dialect") == "v1",
        "refused": lambda e: not e["reference"]["accepts"],
    }
    for name, wanted in kinds.items():
        if name in metafunc.fixturenames:
            found = [e for e in entries() if wanted(e)]
            metafunc.parametrize(name, found, ids=[e["file"] for e in found])


@pytest.fixture
def apr() -> Path:
    """The folder of reference files."""
    return FIXTURES


@pytest.fixture
def manifest() -> dict[str, dict[str, Any]]:
    """What the reference files hold, by file name."""
    return {e["file"]: e for e in entries()}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model as APR with the options given, as a conversion does; the file, or the first shard."""

    def run(model: Model, options: Options | None = None, name: str = "model.apr") -> Path:
        options = options or Options()
        plan = APR().plan(model, options)
        with Target(tmp_path / name, Copier(default_budget(), Silent()), folder=False, overwrite=True) as target:
            APR().write(plan, target, options)
            return target.commit()[0]

    return run


@pytest.fixture
def forge(tmp_path: Path) -> Callable[..., Path]:
    """Writes an APR v2 file by hand: metadata (a dict, or JSON text), and tensors as (name, dtype byte, shape, bytes).

    Sections are laid out as the format says, checksums are right; `header` overrides fields of the header, `index`
    replaces the whole index, `cut` drops bytes from the end.
    """

    def run(
        metadata: dict[str, Any] | bytes = b"{}",
        tensors: Sequence[tuple[str, int, tuple[int, ...], bytes]] = (),
        *,
        header: dict[str, Any] | None = None,
        index: bytes | None = None,
        footer: bool = True,
        name: str = "forged.apr",
    ) -> Path:
        text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
        entries, data = b"", b""
        for tensor, dtype, shape, raw in tensors:
            known = tensor.encode()
            entries += struct.pack("<H", len(known)) + known + bytes([dtype, len(shape)])
            entries += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<QQ", len(data), len(raw))
            data += raw.ljust(-(-len(raw) // 64) * 64, b"\0")
        entries = entries if index is None else index
        at = 64 + -(-len(text) // 64) * 64
        start = at + -(-len(entries) // 64) * 64
        fields = {"flags": 0x0400, "tensor_count": len(tensors), "metadata_offset": 64, "metadata_size": len(text),
                  "tensor_index_offset": at, "data_offset": start, **(header or {})}  # fmt: skip
        head = Header(**fields).pack()
        whole = ((head + text).ljust(at, b"\0") + entries).ljust(start, b"\0") + data
        path = tmp_path / name
        path.write_bytes(whole + (zlib.crc32(whole).to_bytes(4, "little") if footer else b""))
        return path

    return run
