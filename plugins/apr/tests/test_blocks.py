from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import DamagedFile
from hub_apr._blocks import Files, deflated, pack, pack_files, unpack
from hub_apr.container import parse_json

HERE = Path("model.apr")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=9), JSON, max_size=5))
def test_any_value_goes_through_a_strict_parser(value: dict[str, Any]) -> None:
    text = json.dumps(pack(value), ensure_ascii=False, allow_nan=False).encode()
    assert unpack(parse_json(text), "k", HERE) == value


def test_short_values_stay_readable_and_long_ones_shrink() -> None:
    assert pack({"a": [1, None]}) == {"a": [1, None]}
    assert len(json.dumps(pack({"a": ["word"] * 5000}))) < 500
    looks_packed = {"hub.zlib": "not really"}
    assert unpack(pack(looks_packed), "k", HERE) == looks_packed


NAMES = st.text("abc.é/", min_size=1, max_size=9).filter(lambda name: not {"", ".", ".."} & set(name.split("/")))


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", ".", "a//b", "C:x", "a\\b", "a\0"])
def test_files_outside_the_folder_are_refused(name: str) -> None:
    with pytest.raises(DamagedFile, match=r"hub\.files"):
        Files({name: "x"}, HERE)


@given(st.dictionaries(NAMES, st.binary(max_size=40) | st.just(b"x" * 9000), max_size=4))
def test_files_come_back(files: dict[str, bytes]) -> None:
    blocks = parse_json(json.dumps(pack_files(files)).encode())
    assert dict(Files(blocks, HERE)) == files


BOMB = {"hub.zlib": base64.b64encode(zlib.compress(b"0" * 50_000_000)).decode(), "size": 10}


@pytest.mark.parametrize(
    "block",
    [
        {"hub.zlib": "###", "size": 1},
        {"hub.zlib": deflated(b"1")["hub.zlib"], "size": 2},
        {"hub.zlib": deflated(b"1")["hub.zlib"], "size": -1},
        {"hub.zlib": deflated(b"1")["hub.zlib"]},
        {"hub.zlib": deflated(b"{")["hub.zlib"], "size": 1},
        {"hub.zlib": 7, "size": 1},
        BOMB,
    ],
)
def test_damaged_blocks(block: dict[str, Any]) -> None:
    with pytest.raises(DamagedFile, match=r"hub\.source"):
        unpack(block, "hub.source", HERE)
