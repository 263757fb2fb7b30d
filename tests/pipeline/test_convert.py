from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from hub.codecs import encode
from hub.errors import HubError, TargetExists, UnmappedTensor, UsageError
from hub.interface import Options
from hub.ir import ENCODINGS, Tensor
from hub.opening import open_model
from hub.pipeline import Request, choose_format, convert

Hub = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("m.gguf", "gguf"),
        ("M.GGUF", "gguf"),
        ("m.apr", "apr"),
        ("m.safetensors", "safetensors"),
        ("model", "safetensors"),
        ("Qwen2.5-0.5B", "safetensors"),
        ("Mistral-7B-v0.1", "safetensors"),
        ("Qwen2.5-0.5B.gguf", "gguf"),
    ],
)
def test_the_name_of_the_target_says_the_format(tmp_path: Path, name: str, format_: str) -> None:
    assert choose_format(tmp_path / name, None).name == format_


@pytest.mark.parametrize(
    ("name", "to", "message"),
    [
        ("m.gguf", "apr", "writes .apr, not .gguf"),
        ("m.onnx", "apr", "writes .apr, not .onnx"),
        ("m.onnx", None, "say which with --to"),
        ("m.gguf", "nonsense", "no plugin brings a format 'nonsense'"),
    ],
)
def test_a_target_that_contradicts_the_format_is_refused(
    tmp_path: Path, name: str, to: str | None, message: str
) -> None:
    with pytest.raises(HubError, match=message):
        choose_format(tmp_path / name, to)


def test_source_and_target_may_not_be_the_same(tiny_gguf: Path) -> None:
    with pytest.raises(UsageError, match="the same"):
        convert(Request(tiny_gguf, tiny_gguf, options=Options(overwrite=True)))


def test_an_existing_target_is_refused_before_anything_is_read(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "out.apr").write_text("mine")
    with pytest.raises(TargetExists):
        convert(Request(tiny_gguf, tmp_path / "out.apr"))
    assert (tmp_path / "out.apr").read_text() == "mine"


def test_a_dry_run_says_everything_and_writes_nothing(tiny_gguf: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    report = convert(Request(tiny_gguf, tmp_path / "out.apr", encode=["f16"], dry_run=True))
    assert sorted(tmp_path.iterdir()) == before
    assert report.counts == {"planned": 12}
    assert {line.reason for line in report.tensors if len(line.shape) == 2} == {"--encode f16"}
    assert not report.verified


@pytest.mark.parametrize(
    ("flag", "options", "target"),
    [
        ("--portable", Options(portable=True), "out.gguf"),
        ("--compression", Options(compression="zstd"), "out.safetensors"),
        ("--target", Options(target="wasm"), "out.gguf"),
    ],
)
def test_a_flag_that_the_target_knows_nothing_of_is_an_error(
    tiny_gguf: Path, tmp_path: Path, flag: str, options: Options, target: str
) -> None:
    with pytest.raises(UsageError, match=f"{flag} has no effect"):
        convert(Request(tiny_gguf, tmp_path / target, options=options))


def test_allow_unmapped_without_an_unmapped_tensor_is_an_error(tiny_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--allow-unmapped has no effect"):
        convert(Request(tiny_gguf, tmp_path / "out.apr", allow_unmapped=True))


def test_an_unmapped_tensor_stops_the_conversion_unless_allowed(make_gguf: Callable[..., Path], tmp_path: Path) -> None:
    import numpy as np

    def extra(weights: dict[str, np.ndarray]) -> None:
        weights["blk.0.surprise.weight"] = np.ones((4, 4), np.float32)

    source = make_gguf(tmp_path / "odd.gguf", damage=extra)
    with pytest.raises(UnmappedTensor, match=r"1 of 13 tensors .* blk\.0\.surprise\.weight.*--allow-unmapped"):
        convert(Request(source, tmp_path / "out"))
    report = convert(Request(source, tmp_path / "out", allow_unmapped=True))
    assert any("'blk.0.surprise.weight' has no Hugging Face name" in note for note in report.notes)
    convert(Request(tmp_path / "out", tmp_path / "back.gguf"))
    assert (tmp_path / "back.gguf").read_bytes() == source.read_bytes()
    assert convert(Request(source, tmp_path / "same.gguf")).counts == {"same bytes": 13}


def test_a_model_in_memory_goes_the_same_way(tiny_gguf: Path, tmp_path: Path) -> None:
    opened = open_model(tiny_gguf)[1]
    tensors = {n: Tensor.from_bytes(n, t.shape, t.encoding, t.read()) for n, t in opened.tensors.items()}
    report = convert(Request(replace(opened, tensors=tensors, path=None), tmp_path / "made.gguf"))
    assert (tmp_path / "made.gguf").read_bytes() == tiny_gguf.read_bytes()
    assert report.verified
    assert (report.source.path, report.source.format, report.source.nbytes) == ("(in memory)", "memory", opened.nbytes)
    with pytest.raises(UsageError, match="no effect on a model in memory"):
        convert(Request(opened, tmp_path / "other.gguf", assume=["rope_theta=5000.0"]))
    with pytest.raises(UsageError, match="the same"):
        convert(Request(opened, tiny_gguf))


def test_an_assumption_is_recorded(tiny_gguf: Path, tmp_path: Path) -> None:
    report = convert(Request(tiny_gguf, tmp_path / "out", assume=["rope_theta=5000.0"]))
    assert "assumed: rope_theta = 5000.0, where the model says 10000.0" in report.notes
    assert json.loads((tmp_path / "out" / "config.json").read_text())["rope_theta"] == 5000.0


def test_an_assumption_of_what_the_model_says_is_an_error(tiny_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--assume rope_theta has no effect"):
        convert(Request(tiny_gguf, tmp_path / "out", assume=["rope_theta=10000.0"]))


@pytest.mark.parametrize(
    ("rule", "options", "target", "instead"),
    [
        ("f16:*norm*", Options(), "out.gguf", "gguf writes F32 there"),
        ("f8_e4m3", Options(), "out.gguf", "gguf writes F16 there|gguf writes F32 there"),
        ("q4_0", Options(portable=True), "out.apr", "apr writes F32 there"),
    ],
)
def test_a_rule_that_the_format_undoes_is_an_error(
    tiny_gguf: Path, tmp_path: Path, rule: str, options: Options, target: str, instead: str
) -> None:
    with pytest.raises(UsageError, match=f"--encode {rule.partition(':')[0]} has no effect: ({instead})"):
        convert(Request(tiny_gguf, tmp_path / target, encode=[rule], options=options))
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_a_rule_whose_blocks_are_carried_has_its_effect(tiny_gguf: Path, tmp_path: Path) -> None:
    report = convert(Request(tiny_gguf, tmp_path / "out.apr", encode=["q4_0"]))
    assert report.counts["re-encoded"] == 9


@pytest.mark.parametrize("name", ["Q4_K", "Q3_K", "IQ4_XS"])
@pytest.mark.parametrize("target", ["out.gguf", "out.apr"])
def test_k_quants_are_written_and_read_back(tmp_path: Path, name: str, target: str) -> None:
    values = np.random.default_rng(0).normal(size=(8, 512)).astype(np.float32)
    writer = gguf.GGUFWriter(tmp_path / "in.gguf", "other")
    writer.add_tensor("w.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert convert(Request(tmp_path / "in.gguf", tmp_path / target, encode=[f"{name.lower()}:*"])).verified
    tensor = open_model(tmp_path / target)[1].tensors["w.weight"]
    assert (tensor.encoding, tensor.read()) == (ENCODINGS[name], encode(ENCODINGS[name], values).tobytes())


@pytest.mark.parametrize("target", ["out.gguf", "out.apr", "out"])
def test_a_tensor_larger_than_a_shard_is_written_and_said(tiny_gguf: Path, tmp_path: Path, target: str) -> None:
    report = convert(Request(tiny_gguf, tmp_path / target, options=Options(shard_size=5000)))
    assert "3 tensors are larger than --shard-size, the largest has 8192 bytes" in report.notes
    assert report.verified


@pytest.mark.parametrize("encoding", ["apr_q4", "apr_q8"])
def test_blocks_that_only_one_format_has_come_back_from_another(tiny_gguf: Path, tmp_path: Path, encoding: str) -> None:
    first, middle, last = tmp_path / "first.apr", tmp_path / "middle.gguf", tmp_path / "last.apr"
    convert(Request(tiny_gguf, first, encode=[encoding]))
    assert set(convert(Request(first, middle)).counts) == {"same bytes", "exact"}
    assert set(convert(Request(middle, last)).counts) == {"same bytes"}
    before, after = ({n: (t.encoding, t.read()) for n, t in open_model(p)[1].tensors.items()} for p in (first, last))
    assert after == before


def test_an_error_in_planning_names_the_source(tiny_gguf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    convert(Request(tiny_gguf, folder))
    (folder / "hub.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"], config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(HubError, match=f"{folder}: nothing says the architecture; .*--assume model_type=NAME"):
        convert(Request(folder, tmp_path / "out.gguf"))


@pytest.mark.parametrize("target", ["out.gguf", "out.apr"])
def test_shards_are_named_and_any_opens_all(tiny_gguf: Path, tmp_path: Path, target: str) -> None:
    report = convert(Request(tiny_gguf, tmp_path / target, options=Options(shard_size=8300)))
    made = sorted(path.name for path in tmp_path.glob("out*"))
    assert len(made) > 2
    assert report.notes[-1] == f"written as {len(made)} files, the first is {made[0]}"
    for path in tmp_path.glob("out*"):
        again = tmp_path / f"again-{path.name}.gguf"
        assert convert(Request(path, again)).counts["same bytes"] + 2 >= 12
        assert again.read_bytes() == tiny_gguf.read_bytes()


@pytest.mark.parametrize("target", ["out.gguf", "out.apr", "out"])
def test_a_model_smaller_than_a_shard_is_one_file(tiny_gguf: Path, tmp_path: Path, target: str) -> None:
    for name, options in ((target, Options()), (f"one-{target}", Options(shard_size=1 << 30))):
        convert(Request(tiny_gguf, tmp_path / name, options=options))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["tiny.gguf", target, f"one-{target}"])


def test_a_folder_where_a_file_was_expected_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="cannot be read: Is a directory"):
        convert(Request(tmp_path, tmp_path / "out.gguf", from_="gguf"))


def test_tensors_that_a_rule_cannot_encode_are_said(make_gguf: Callable[..., Path], tmp_path: Path) -> None:
    import numpy as np

    def widen(weights: dict[str, np.ndarray]) -> None:
        weights["blk.0.wide.weight"] = np.ones((4, 256), np.float32)

    source = make_gguf(tmp_path / "wide.gguf", damage=widen)
    report = convert(Request(source, tmp_path / "out.gguf", encode=["tq2_0:*"]))
    kept = [note for note in report.notes if " kept " in note]
    assert kept == [
        "8 tensors kept F32: rows of 32 are not whole blocks of TQ2_0",
        "1 tensors kept F32: rows of 64 are not whole blocks of TQ2_0",
    ]


def test_a_folder_named_as_a_file_is_written_into_only_when_told(tiny_gguf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model.apr"
    folder.mkdir()
    with pytest.raises(UsageError, match="is a folder, and named as a .* file; say with --to"):
        convert(Request(tiny_gguf, folder))
    assert convert(Request(tiny_gguf, folder, to="safetensors")).verified
    assert (folder / "config.json").is_file()


def test_two_runs_to_one_target_do_not_meet(tiny_gguf: Path, tmp_path: Path) -> None:
    one, two = (Request(tiny_gguf, tmp_path / "out.apr", options=Options(overwrite=True)) for _ in range(2))
    first, second = convert(one), convert(two)
    assert first.counts == second.counts
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.apr", "tiny.gguf"]


def test_text_and_json_say_the_same(hub: Hub, tiny_gguf: Path) -> None:
    text = hub("convert", tiny_gguf, "a.apr", "--encode", "f16")
    document = hub("convert", tiny_gguf, "b.apr", "--encode", "f16", "--json")
    assert (text.returncode, document.returncode) == (0, 0)
    report = json.loads(document.stdout)
    assert report["schema"] == "hub.convert/1"
    assert report["counts"]["re-encoded"] == 9
    assert "9 re-encoded" in text.stdout
    for line in report["tensors"]:
        if line["outcome"] == "re-encoded":
            assert 0 < line["rmse"] < line["max_abs"]
            assert f"{line['max_abs']:.6g}" in text.stdout


def test_an_unknown_pre_tokenizer_lists_names_near_it(tiny_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pre-tokenizer 'qwen-2'; near: .*qwen2"):
        convert(Request(tiny_gguf, tmp_path / "out.gguf", options=Options(pre="qwen-2")))


def test_a_wrong_checksum_of_the_source_is_said(tiny_gguf: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.apr"
    convert(Request(tiny_gguf, source))
    data = bytearray(source.read_bytes())
    data[-1] ^= 1
    source.write_bytes(data)
    notes = convert(Request(source, tmp_path / "out.gguf")).notes
    assert any("source.apr: its checksum is wrong: footer is" in note for note in notes)


def test_what_packing_gained_is_said(tiny_gguf: Path, tmp_path: Path) -> None:
    report = convert(Request(tiny_gguf, tmp_path / "out.apr", options=Options(compression="zstd")))
    size = (tmp_path / "out.apr").stat().st_size
    assert any(f"take {size:,} on the disk" in note for note in report.notes)
