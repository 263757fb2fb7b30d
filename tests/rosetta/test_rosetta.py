"""`hub rosetta`: every verdict is tried on a model that deserves the other one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import hub as package
from hub.cli import main
from hub.cli._convert import convert
from hub.cli._inspect import inspect
from hub.cli._rosetta import rosetta
from hub.plugins import registry

Ran: TypeAlias = "subprocess.CompletedProcess[str]"
Hub = Callable[..., Ran]
Document = Callable[..., tuple[int, Any]]
SCHEMAS = Path(package.__file__).parent / "schemas"
FAULTS = ("flip", "swap", "scale", "drop", "merge")

# Turns over the last bit of every safetensors file, once it was verified and is in place.
ROT = """
from hub.hookspecs import hookimpl

@hookimpl
def hub_after_write(report, paths):
    for path in paths:
        if path.suffix == ".safetensors":
            data = path.read_bytes()
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Runs the program in `tmp_path`, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(a) for a in args])
        return subprocess.CompletedProcess([str(a) for a in args], code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Loads the plugins that `toy` or `strange` made for other processes into this one."""

    def load() -> None:
        monkeypatch.syspath_prepend(os.environ["PYTHONPATH"].partition(os.pathsep)[0])
        registry.cache_clear()

    yield load
    monkeypatch.undo()
    registry.cache_clear()


@pytest.fixture
def faulty(toy: Path, loaded: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`faulty(fault)`: the format toy, whose writer commits that fault."""
    assert toy

    def commit(fault: str) -> None:
        monkeypatch.setenv("TOY_FAULT", fault)
        loaded()

    return commit


def validated(document: Any, name: str) -> Any:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    return document


@pytest.fixture
def document(hub: Hub) -> Document:
    """Exit code and document of a command of the group; text mode ends with the same code."""

    def ran(schema: str, *args: object) -> tuple[int, Any]:
        text, found = hub("rosetta", *args), hub("rosetta", *args, "--json")
        assert text.returncode == found.returncode, (text, found)
        said = validated(json.loads(found.stdout), schema)
        if schema == "chain" and said["comparison"] is not None:
            validated({"schema": "hub.diff/1", **said["comparison"]}, "diff")
        if schema == "fingerprint":
            validated(said["manifest"], "manifest")
        return found.returncode, said

    return ran


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders of the program go."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def poisoned(weights: dict[str, Any]) -> None:
    weights["output_norm.weight"][:] = np.nan


def test_convert_and_inspect_are_the_commands_of_these_names() -> None:
    commands = {c.name: c.callback for c in rosetta.registered_commands}
    assert (commands["convert"], commands["inspect"]) == (convert, inspect)


def test_convert_takes_the_flags_of_the_course(hub: Hub, tiny_gguf: Path, tmp_path: Path) -> None:
    done = hub("rosetta", "convert", tiny_gguf, "tiny.safetensors", "--verify")
    assert (done.returncode, "all equal the source" in done.stdout) == (0, True), done
    done = hub("rosetta", "convert", "tiny.safetensors", "tiny.apr", "--compression", "lz4", "--verify")
    assert done.returncode == 0, done
    assert hub("rosetta", "inspect", "tiny.apr").stdout == hub("inspect", "tiny.apr").stdout
    assert (tmp_path / "tiny.apr").stat().st_size


@pytest.mark.parametrize("fault", FAULTS)
def test_convert_verifies_whether_told_to_or_not(hub: Hub, tiny_gguf: Path, tmp_path: Path, fault: str,
                                                 faulty: Callable[[str], None]) -> None:  # fmt: skip
    faulty(fault)
    for flag in ([], ["--verify"]):
        done = hub("rosetta", "convert", tiny_gguf, "bad.toy", *flag)
        assert done.returncode == 1, done
        assert "differs from the source" in done.stderr
    assert not (tmp_path / "bad.toy").exists()


def test_a_chain_without_loss_says_so_and_leaves_nothing(document: Document, tiny_gguf: Path, scratch: Path) -> None:
    code, said = document("chain", "chain", tiny_gguf, "safetensors", "apr", "gguf")
    assert (code, said["passed"], said["lossless"]) == (0, True, True)
    assert [s["format"] for s in said["steps"]] == ["safetensors", "apr", "gguf"]
    assert [s["source"] for s in said["steps"][1:]] == [s["target"] for s in said["steps"][:-1]]
    assert all(s["lossless"] and s["values"] for s in said["steps"])
    assert said["comparison"]["counts"]["compared"] == said["comparison"]["counts"]["tensors_a"] > 0
    assert list(scratch.iterdir()) == []


def test_a_chain_that_loses_precision_is_not_lossless(document: Document, tiny_gguf: Path) -> None:
    code, said = document("chain", "chain", tiny_gguf, "safetensors:f16", "gguf")
    assert (code, said["lossless"], said["passed"]) == (1, False, False)
    assert [s["lossless"] for s in said["steps"]] == [False, True]
    assert said["steps"][0]["max_abs"] == max(t["max_abs"] for t in said["comparison"]["tensors"])
    assert "differing tensors" in said["reason"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", [("chain", "toy", "gguf"), ("verify", "--intermediate", "toy")])
def test_a_format_that_writes_wrongly_ends_a_chain(
    document: Document, tiny_gguf: Path, fault: str, command: tuple[str, ...],
    faulty: Callable[[str], None],
) -> None:  # fmt: skip
    faulty(fault)
    code, said = document("chain", command[0], tiny_gguf, *command[1:])
    assert (code, said["passed"], said["lossless"], said["comparison"]) == (1, False, False, None)
    (step,) = said["steps"]
    assert step["failures"]
    assert said["reason"].startswith("step 1: ")


@pytest.mark.parametrize("command", [("chain", "safetensors", "gguf"), ("verify",)])
def test_what_turns_over_between_the_steps_is_found_at_the_end(
    document: Document, strange: Any, loaded: Callable[[], None], tiny_gguf: Path,
    command: tuple[str, ...],
) -> None:  # fmt: skip
    strange("rot", ROT)
    loaded()
    code, said = document("chain", command[0], tiny_gguf, *command[1:])
    assert all(step["lossless"] for step in said["steps"])
    assert (code, said["passed"], said["lossless"]) == (1, False, False)
    (tensor,) = said["comparison"]["tensors"]
    assert (tensor["verdict"], tensor["different"]) == ("differs", 1)


def test_a_round_trip_within_a_tolerance_is_not_lossless(document: Document, tiny_gguf: Path) -> None:
    arguments = ("verify", tiny_gguf, "--intermediate", "safetensors:f16", "--tolerance")
    code, said = document("chain", *arguments, 0.01)
    assert (code, said["passed"], said["lossless"]) == (0, True, False)
    assert document("chain", *arguments, 1e-9)[0] == 1


def test_the_way_there_and_back_is_through_another_format(document: Document, tiny_gguf: Path, hub: Hub) -> None:
    assert hub("convert", tiny_gguf, "folder").returncode == 0
    formats = [
        [s["format"] for s in document("chain", "verify", source)[1]["steps"]] for source in (tiny_gguf, "folder")
    ]
    assert formats == [["safetensors", "gguf"], ["gguf", "safetensors"]]


def test_results_stay_where_they_were_asked_for_and_replace_nothing(hub: Hub, tiny_gguf: Path, tmp_path: Path) -> None:
    arguments = ("rosetta", "chain", tiny_gguf, "safetensors", "apr", "--work-dir", "work")
    assert hub(*arguments).returncode == 0
    made = {p.name: p.read_bytes() for p in (tmp_path / "work").iterdir()}
    assert sorted(made) == ["1-tiny.safetensors", "2-tiny.apr"]
    assert hub("diff", tiny_gguf, "work/2-tiny.apr").returncode == 0
    (tmp_path / "work" / "1-tiny.safetensors").unlink()
    again = hub(*arguments)
    assert (again.returncode, "2-tiny.apr" in again.stderr) == (2, True)
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["2-tiny.apr"]
    broken = hub("rosetta", "chain", tiny_gguf, "safetensors", "apr", "gguf:f17", "--work-dir", "other")
    assert (broken.returncode, (tmp_path / "other").exists()) == (2, False)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("work", [(), ("--work-dir", "work")])
def test_a_chain_that_is_interrupted_leaves_nothing(
    tiny_gguf: Path, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, work: tuple[str, ...]
) -> None:
    started = tmp_path / "started"
    monkeypatch.setenv("TOY_STOP", str(started))
    monkeypatch.setenv("TMPDIR", str(scratch))
    command = [sys.executable, "-m", "hub", "rosetta", "chain", str(tiny_gguf), "safetensors", "toy", *work]
    heeding = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731  # a background job would ignore it
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=heeding)
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert (list(scratch.iterdir()), (tmp_path / "work").exists()) == ([], False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("chain", "m.gguf", "onnx"), "no plugin brings a format 'onnx'"),
        (("chain", "m.gguf", "gguf:"), "names no encoding"),
        (("chain", "m.gguf"), "Missing argument"),
        (("verify", "nowhere.gguf"), "no such file"),
    ],
)
def test_what_cannot_be_is_refused(hub: Hub, make_gguf: Any, tmp_path: Path, arguments: Any, said: str) -> None:
    make_gguf(tmp_path / "m.gguf")
    done = hub("rosetta", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_pre_tokenizer_that_no_format_takes_is_refused(
    hub: Hub, tiny_gguf: Path, faulty: Callable[[str], None]
) -> None:
    faulty("none")
    done = hub("rosetta", "chain", tiny_gguf, "toy", "--pre", "gpt-2")
    assert (done.returncode, "--pre has no effect" in done.stderr) == (2, True)


def test_a_tensor_of_nan_behind_many_others_is_a_mismatch(
    document: Document, hub: Hub, tiny_gguf: Path, make_gguf: Any, tmp_path: Path
) -> None:
    other = make_gguf(tmp_path / "nan.gguf", damage=poisoned)
    code, said = document("diff", "diff-tensors", tiny_gguf, other, "--mismatches-only", "--show-values", 3)
    assert (code, said["equal"], said["facts"], said["counts"]["compared"]) == (1, False, None, 12)
    (tensor,) = said["tensors"]
    assert (tensor["name"], tensor["new_nan"], len(tensor["values"])) == ("model.norm.weight", 32, 3)
    text = hub("rosetta", "diff-tensors", tiny_gguf, other, "--show-values", 2).stdout
    assert text.count("became nan") == 3  # two values, and the first beside its tensor
    assert text.count("same bytes") == 12  # eleven tensors, and the sum


def test_values_that_differ_are_those_that_numpy_finds(
    document: Document, hub: Hub, tiny_gguf: Path, tmp_path: Path
) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        assert hub("convert", tiny_gguf, name).returncode == 0
    weights = load_file(tmp_path / "b.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    before = weights[name].copy()
    weights[name].ravel()[[5, 77, 400]] += 1
    save_file(weights, tmp_path / "b.safetensors")
    said = document("diff", "diff-tensors", "a.safetensors", "b.safetensors", "--show-values", 2, "--filter", "up_")[1]
    (tensor,) = said["tensors"]
    expected = [[i, float(before.ravel()[i]), float(weights[name].ravel()[i])] for i in (5, 77)]
    assert (tensor["values"], tensor["different"]) == (expected, 3)


def test_equal_tensors_are_listed_unless_mismatches_alone_are_wanted(
    document: Document, hub: Hub, tiny_gguf: Path
) -> None:
    assert hub("convert", tiny_gguf, "b.apr").returncode == 0
    code, said = document("diff", "diff-tensors", tiny_gguf, "b.apr")
    assert (code, len(said["tensors"]), {t["verdict"] for t in said["tensors"]}) == (0, 12, {"same bytes"})
    assert document("diff", "diff-tensors", tiny_gguf, "b.apr", "--mismatches-only")[1]["tensors"] == []


def test_tensors_alone_are_compared(
    document: Document, hub: Hub, tiny_gguf: Path, make_gguf: Any, tmp_path: Path
) -> None:
    other = make_gguf(tmp_path / "other.gguf", merge="l o")
    assert hub("diff", tiny_gguf, other).returncode == 1
    assert document("diff", "diff-tensors", tiny_gguf, other)[0] == 0


def test_comparing_nothing_is_a_difference(document: Document, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_file({name: np.ones(3, np.float32)}, tmp_path / f"{name}.safetensors")
    code, said = document("diff", "diff-tensors", "a.safetensors", "b.safetensors")
    assert (code, said["equal"]) == (1, False)
    assert said["reason"].startswith("nothing was compared")


def test_a_fingerprint_is_the_same_in_every_format(
    document: Document, hub: Hub, tiny_gguf: Path, tmp_path: Path
) -> None:
    found = {}
    for target in ("f.safetensors", "f.apr", "g.gguf"):
        assert hub("convert", tiny_gguf, target).returncode == 0
        found[target] = document("fingerprint", "fingerprint", target)[1]
    tensors = [f["manifest"]["tensors"] for f in found.values()]
    assert tensors[0] == tensors[1] == tensors[2]
    weights = load_file(tmp_path / "f.safetensors")
    for entry in tensors[0]:
        values = weights[entry["name"]]
        assert entry["sha256"] == hashlib.sha256(values.tobytes()).hexdigest()
        seen = found["f.apr"]["statistics"][entry["name"]]
        assert seen["mean"] == pytest.approx(values.mean(dtype=np.float64), abs=1e-12)
    for target in ("f.safetensors", "f.apr"):
        code, said = document("fingerprint", "fingerprint", tiny_gguf, target)
        assert (code, said["comparison"]["same"]) == (0, True)


def test_another_encoding_of_the_same_values_is_the_same_model(document: Document, hub: Hub, tiny_gguf: Path) -> None:
    assert hub("convert", tiny_gguf, "q.gguf", "--encode", "q8_0").returncode == 0
    assert hub("convert", "q.gguf", "wide.safetensors").returncode == 0
    code, said = document("fingerprint", "fingerprint", "q.gguf", "wide.safetensors")
    assert (code, said["comparison"]["same"]) == (0, True)
    assert said["comparison"]["against"]["equal_values"] > 0
    code, said = document("fingerprint", "fingerprint", tiny_gguf, "q.gguf")
    assert (code, said["comparison"]["same"]) == (1, False)
    odd = {d["name"] for d in said["comparison"]["against"]["departures"]}
    assert odd == set(said["comparison"]["statistics"])


def test_a_kept_fingerprint_finds_one_flipped_bit(
    document: Document, hub: Hub, tiny_gguf: Path, tmp_path: Path
) -> None:
    assert hub("rosetta", "fingerprint", tiny_gguf, "-o", "f.json").returncode == 0
    validated(json.loads((tmp_path / "f.json").read_text(encoding="utf-8")), "fingerprint")
    assert document("fingerprint", "fingerprint", "f.json", tiny_gguf)[0] == 0
    data = bytearray(tiny_gguf.read_bytes())
    data[-1] ^= 1
    tiny_gguf.write_bytes(data)
    code, said = document("fingerprint", "fingerprint", "f.json", tiny_gguf)
    assert (code, said["comparison"]["same"]) == (1, False)
    (departure,) = said["comparison"]["against"]["departures"]
    before, now = said["comparison"]["statistics"][departure["name"]]
    assert (departure["kind"], before == now) == ("differs", False)


def test_a_fingerprint_that_was_changed_is_none(hub: Hub, tiny_gguf: Path, tmp_path: Path) -> None:
    assert hub("rosetta", "fingerprint", tiny_gguf, "-o", "f.json").returncode == 0
    kept = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    changes: list[dict[str, Any]] = [
        {"digest": "0" * 64}, {"schema": "hub.fingerprint/9"}, {"manifest": []}, {"statistics": {"a": {"min": "x"}}},
    ]  # fmt: skip
    for change in changes:
        (tmp_path / "f.json").write_text(json.dumps(kept | change), encoding="utf-8")
        done = hub("rosetta", "fingerprint", "f.json", tiny_gguf)
        assert (done.returncode, done.stdout) == (2, ""), change
        assert "f.json" in done.stderr
    (tmp_path / "f.json").write_text("[" * 100_000, encoding="utf-8")
    assert hub("rosetta", "fingerprint", "f.json", tiny_gguf).returncode == 2


def test_flags_of_a_fingerprint_that_have_no_effect_are_refused(hub: Hub, tiny_gguf: Path, tmp_path: Path) -> None:
    assert hub("rosetta", "fingerprint", tiny_gguf, "-o", "f.json").returncode == 0
    before = (tmp_path / "f.json").read_bytes()
    for arguments in (
        (tiny_gguf, "-o", "f.json"), (tiny_gguf, "--force"), (tiny_gguf, "-o", "f.gguf"), ("f.json",),
        ("f.json", tiny_gguf, "--filter", "norm"), (tiny_gguf, "--filter", "nowhere"),
    ):  # fmt: skip
        assert hub("rosetta", "fingerprint", *arguments).returncode == 2, arguments
    assert (tmp_path / "f.json").read_bytes() == before
    assert hub("rosetta", "fingerprint", tiny_gguf, "-o", "f.json", "--force").returncode == 0


def test_a_filter_shortens_the_statistics_and_not_the_digest(document: Document, tiny_gguf: Path) -> None:
    whole, part = (document("fingerprint", "fingerprint", tiny_gguf, *f)[1] for f in ((), ("--filter", "norm")))
    assert whole["digest"] == part["digest"]
    assert (len(whole["statistics"]), len(part["statistics"])) == (12, 3)


def test_the_examples_of_the_page_do_what_it_says(hub: Hub, make_gguf: Any, tmp_path: Path) -> None:
    make_gguf(tmp_path / "model.gguf")
    page = (Path(package.__file__).parents[1] / "docs" / "rosetta.md").read_text(encoding="utf-8")
    lines = page.partition("```console\n")[2].partition("```")[0].splitlines()
    assert len(lines) > 5
    for line in lines:
        command, _, remark = line.partition("#")
        done = hub(*command.split()[1:])
        assert done.returncode == (1 if "exit code 1" in remark else 0), (line, done)


def test_quantize_is_another_word_for_encode(hub: Hub, tiny_gguf: Path, tmp_path: Path) -> None:
    for flag, name in (("--encode", "a.gguf"), ("--quantize", "b.gguf")):
        assert hub("rosetta", "convert", tiny_gguf, name, flag, "q8_0").returncode == 0
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def test_inspect_names_the_codec_of_a_packed_file(hub: Hub, tiny_gguf: Path) -> None:
    assert hub("convert", tiny_gguf, "flat.gguf", "--encode", "q8_0").returncode == 0
    assert hub("convert", "flat.gguf", "wide.safetensors").returncode == 0
    for source, flags, title in (("wide.safetensors", ("--compression", "zstd"), "APR v2, zstd"),
                                 ("wide.safetensors", (), "APR v2")):  # fmt: skip
        name = f"m{len(flags)}.apr"
        assert hub("rosetta", "convert", source, name, *flags).returncode == 0
        assert f"Format: {title}\n" in hub("rosetta", "inspect", name).stdout
