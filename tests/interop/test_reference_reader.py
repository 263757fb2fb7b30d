"""What we write, read by the reference library: names, shapes, dtypes and bytes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.interface import Options, Plan
from hub.ir import Model
from hub_apr.container import BY_ENCODING, KNOWN

pytestmark = pytest.mark.timeout(900)  # the first test builds the reference

Reference = Callable[[str, Path], dict[str, Any]]
Written = Callable[[Options], tuple[Path, Plan]]

ALIAS, TIED = "lm_head.weight", "model.embed_tokens.weight"


def planned(plan: Plan) -> dict[str, tuple[str, list[int], int]]:
    """By name, what the plan says the index holds: dtype, shape, CRC-32 of the bytes."""
    tensors = [p.tensor for p in plan.tensors]
    told = {t.name: (BY_ENCODING[t.encoding.name].name, list(t.shape), zlib.crc32(t.read())) for t in tensors}
    return told | {alias: told[name] for alias, name in plan.document.aliases.items()}


def seen(dump: dict[str, Any]) -> dict[str, tuple[str, list[int], int]]:
    return {t["name"]: (t["dtype"], t["shape"], t["crc32"]) for t in dump["tensors"]}


@pytest.mark.parametrize("options", [Options(), Options(portable=True)], ids=["exact", "portable"])
def test_every_tensor_as_planned(options: Options, reference: Reference, written: Written) -> None:
    path, plan = written(options)
    dump = reference("dump", path)
    assert seen(dump) == planned(plan)
    assert dump["version"] == [2, 0]
    assert all(dump[key] for key in ("row_major", "quantized", "vocabulary", "aligned", "footer"))
    assert dump["required"] == path.stat().st_size - 4


def test_a_tied_head_is_there_and_takes_no_room(reference: Reference, written: Written, model: Model) -> None:
    path, _ = written(Options())
    tensors = {t["name"]: t for t in reference("dump", path)["tensors"]}
    assert tensors[ALIAS]["offset"] == tensors[TIED]["offset"]
    assert tensors[ALIAS]["crc32"] == zlib.crc32(model.tensors[TIED].read())


def test_typed_metadata_comes_through(reference: Reference, written: Written) -> None:
    path, plan = written(Options())
    told, ours = reference("dump", path)["metadata"], plan.document.metadata
    told["special_tokens"] = {key: token for key, token in told["special_tokens"].items() if token is not None}
    assert {key: told.get(key) for key in ours if key in KNOWN} == {k: v for k, v in ours.items() if k in KNOWN}
    assert told["rope_type"] == 2
    assert told["architecture"] == "llama"
    assert {key: told[key] for key in ours if key not in KNOWN} == {k: v for k, v in ours.items() if k not in KNOWN}


def test_carried_bytes_are_the_source_tensors(reference: Reference, written: Written, model: Model) -> None:
    path, _ = written(Options())
    dump = seen(reference("dump", path))
    carried = {name: tensor for name, tensor in model.tensors.items() if tensor.encoding.name not in BY_ENCODING}
    assert len(carried) > 20
    for name, tensor in carried.items():
        assert dump[name] == ("u8", [8, tensor.rows.width], zlib.crc32(tensor.read())), name


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_packed_files_are_well_formed(codec: str, reference: Reference, written: Written) -> None:
    path, plan = written(Options(compression=codec))
    dump = reference("dump", path)
    assert plan.document.packed
    kinds = {t["name"]: (t["dtype"], len(t["shape"])) for t in dump["tensors"]}
    assert {kinds[name] for name in plan.document.packed} == {("u8", 1)}
    assert dump["aligned"]
    assert dump["footer"]


def test_shards_and_their_manifest(reference: Reference, written: Written) -> None:
    path, plan = written(Options(shard_size=60_000))
    manifest = json.loads((path.parent / "model.apr.json").read_text())
    found: dict[str, tuple[str, list[int], int]] = {}
    for shard in manifest["shards"]:
        dump = reference("dump", path.parent / shard["filename"])
        assert dump["sharded"]
        assert dump["metadata"]["sharding"]["shard_index"] == shard["index"]
        assert sorted(seen(dump)) == sorted(shard["tensors"])
        assert (path.parent / shard["filename"]).stat().st_size == shard["size"] <= 60_000
        found |= seen(dump)
    assert manifest["shard_count"] > 2
    assert found == planned(plan)
