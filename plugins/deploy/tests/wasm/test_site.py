"""What a site is made of, and when none is made."""

from __future__ import annotations

import json
import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import hub_deploy.wasm
from hub.errors import HubError, TargetExists, UnsupportedFile, UsageError
from hub.interface import Options
from hub.pipeline import Request, convert
from hub_deploy.wasm import Order, Wllama, deploy

SCHEMAS = Path(hub_deploy.wasm.__file__).parent / "schemas"
STANDING_IN = Wllama({"wllama/index.js": b"//", "wllama/wllama.wasm": b"\0asm", "wllama/LICENCE": b"MIT"}, "a test")


def listed(site: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((site / "site.json").read_text())
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / "site.json").read_text())).validate(loaded)
    return loaded


def test_a_site_holds_the_model_in_parts_and_lists_every_file(tiny: Path, tmp_path: Path) -> None:
    made = deploy(Order(tiny, tmp_path / "site", part_size=100_000), program=STANDING_IN)
    site = listed(tmp_path / "site")
    assert (site["name"], site["context"], made.context) == ("Tiny", 512, 512)
    parts = [(tmp_path / "site" / part["file"]).read_bytes() for part in site["model"]["parts"]]
    assert [len(part) for part in parts[:-1]] == [100_000] * (len(parts) - 1)
    assert len(parts) > 1
    convert(Request(tiny, tmp_path / "tiny.apr", options=Options(target="wasm")))
    assert b"".join(parts) == (tmp_path / "tiny.apr").read_bytes()
    assert site["model"]["sha256"] == sha256(b"".join(parts)).hexdigest()
    for entry in (*site["model"]["parts"], *site["files"]):
        data = (tmp_path / "site" / entry["file"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(data), sha256(data).hexdigest())
    there = {str(p.relative_to(tmp_path / "site")) for p in (tmp_path / "site").rglob("*") if p.is_file()}
    assert there == {e["file"] for e in (*site["model"]["parts"], *site["files"])} | {"site.json", "sw.js"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["site", "tiny.apr"]


def test_a_file_made_for_pages_is_taken_and_any_other_model_becomes_one(tiny: Path, tmp_path: Path) -> None:
    convert(Request(tiny, tmp_path / "plain.apr"))
    (tmp_path / "page").mkdir()
    convert(Request(tmp_path / "plain.apr", tmp_path / "page" / "plain.apr", options=Options(target="wasm")))
    for source in (tmp_path / "plain.apr", tmp_path / "page" / "plain.apr"):
        deploy(Order(source, source.with_suffix("")), program=STANDING_IN)
    plain, page = listed(tmp_path / "plain"), listed(tmp_path / "page" / "plain")
    assert plain["model"] == page["model"]
    assert plain["model"]["sha256"] == sha256((tmp_path / "page" / "plain.apr").read_bytes()).hexdigest()


def test_the_page_asks_nobody_but_its_own_site(tiny: Path, tmp_path: Path) -> None:
    deploy(Order(tiny, tmp_path / "site"), program=STANDING_IN)
    page = (tmp_path / "site" / "index.html").read_text()
    assert "default-src 'none'" in page
    assert "connect-src 'self' blob:;" in page
    for path in (tmp_path / "site").glob("*.*"):
        text = path.read_text()
        assert not re.search(r"innerHTML|\son\w+=|\beval\(", text), path
        assert not [u for u in re.findall(r"https?://[\w.]*", text) if u not in {"https://", "http://"}], path


def test_what_is_there_is_replaced_only_when_it_is_a_site_and_told_so(tiny: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    deploy(Order(tiny, site, part_size=50_000), program=STANDING_IN)
    before = listed(site)
    with pytest.raises(TargetExists, match="exists already"):
        deploy(Order(tiny, site), program=STANDING_IN)
    assert listed(site) == before
    deploy(Order(tiny, site, force=True), program=STANDING_IN)
    assert len(list((site / "model").iterdir())) == 1
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("years")
    with pytest.raises(TargetExists, match="no site that hub made"):
        deploy(Order(tiny, tmp_path / "papers", force=True), program=STANDING_IN)
    assert (tmp_path / "papers" / "thesis.txt").read_text() == "years"


def test_nothing_is_left_of_a_site_that_fails(tiny: Path, tmp_path: Path) -> None:
    convert(Request(tiny, tmp_path / "small.apr", encode=["q4_0:*"]))
    with pytest.raises(UsageError, match="--optimize-size has no effect"):
        deploy(Order(tmp_path / "small.apr", tmp_path / "site", optimize_size=True), program=STANDING_IN)
    assert [p.name for p in tmp_path.iterdir()] == ["small.apr"]


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    if not os.environ.get("HUB_MINILM"):
        pytest.skip("HUB_MINILM names no model")
    with pytest.raises(UnsupportedFile, match="it encodes text and writes none"):
        deploy(Order(Path(os.environ["HUB_MINILM"]), tmp_path / "site"), program=STANDING_IN)


@pytest.mark.parametrize(("order", "says"), [
    ({"part_size": 0}, "--part-size is between one byte and 2000000000"),
    ({"part_size": 3_000_000_000}, "--part-size is between"),
    ({"context": 4096}, "--context 4096 is more than the 512 tokens"),
])  # fmt: skip
def test_what_no_page_can_have_is_an_error(tiny: Path, tmp_path: Path, order: dict[str, int], says: str) -> None:
    with pytest.raises(HubError, match=says):
        deploy(Order(tiny, tmp_path / "site", **order), program=STANDING_IN)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_the_command_prints_what_its_schema_says(
    tiny: Path, tmp_path: Path, program: Wllama, capsys: pytest.CaptureFixture[str]
) -> None:
    from hub.cli import main

    words = ["deploy", "wasm", str(tiny), "-o", str(tmp_path / "site")]
    words += [] if program.origin == "cache" else ["--wllama", program.origin]
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / "deploy-wasm.json").read_text())).validate(document)
    assert document["site"] == listed(tmp_path / "site")
    assert main([*words, "--force"]) == 0
    assert "Model: Tiny, " in capsys.readouterr().out
