"""The numbers in the reference library's tensors, decoded by the hub."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub import codecs
from hub.errors import DamagedFile
from hub.ir import ENCODINGS, Tensor
from hub_apr import APR
from hub_apr.container import Legacy, open_any

Entry = dict[str, Any]

# The reference reader takes these; a tensor that contradicts its own index entry is refused here.
REFUSED = {
    "v2_duplicate_names.apr": "twice",
    "v2_shape_zero_with_data.apr": "takes 0 bytes",
    "v2_shape_overflow.apr": "out of range",
    "v2_size_mismatch.apr": "takes 40 bytes",
    "v2_tensor_past_eof.apr": "cut short",
    "v2_writer_truncation.apr": "takes",
}


def decoded(tensor: Tensor) -> Any:
    return codecs.span(tensor, 0, tensor.size)


def test_decoded_values(v2: Entry, apr: Path) -> None:
    if v2["file"] in REFUSED:
        with pytest.raises(DamagedFile, match=REFUSED[v2["file"]]):
            APR().read(apr / v2["file"])
        return
    model = APR().read(apr / v2["file"])
    for told in v2["dump"]["tensors"]:
        tensor = model.tensors.get(told["name"])
        tensor = model.tensors[model.ties[told["name"]]] if tensor is None else tensor
        values = decoded(tensor)
        if "values" in told:
            assert values.tolist() == (told["values"] or []), told["name"]
        else:
            assert len(values) == told["values_count"]
            assert values[:10].tolist() == told["values_head"][:10]
            assert f"{zlib.crc32(values.astype('<f4').tobytes()):08x}" == told["values_f32le_crc32"]


def test_quantizing_as_the_reference_does(apr: Path, manifest: dict[str, Entry]) -> None:
    told = manifest["v2_quant_edges.apr"]
    model = APR().read(apr / told["file"])
    for name, source in told["sources"].items():
        tensor = model.tensors[name]
        ours = codecs.encode(tensor.encoding, np.array([source], np.float32))
        assert ours.tobytes() == tensor.read(), name


def test_dtypes_hold_what_they_were_made_from(apr: Path, manifest: dict[str, Entry]) -> None:
    source = np.array(manifest["v2_all_dtypes.apr"]["source_f32"], np.float32)
    model = APR().read(apr / "v2_all_dtypes.apr")
    for name in ("t.f32", "t.f16", "t.bf16"):
        assert np.array_equal(decoded(model.tensors[name]), source), name


@pytest.mark.parametrize("name", ["legacy_apr1_json.apr", "legacy_apr0_compressed_lz4.apr", "real/sample-mlp.apr"])
def test_older_dialects_are_models(name: str, apr: Path) -> None:
    model, opened = APR().read(apr / name), open_any(apr / name)
    assert isinstance(opened, Legacy)
    assert model.naming == "native"
    assert {t.encoding for t in model.tensors.values()} == {ENCODINGS["F32"]}
    assert [len(decoded(t)) for t in model.tensors.values()] == [t.size for t in opened.tensors]
    assert model.source.get()["apr"]["metadata"] == opened.metadata
