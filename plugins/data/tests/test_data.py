"""`hub data` as a user runs it: versions that follow from each other, and every way to tamper with them found."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import hub
import hub_data
from hub.cli import main
from hub.signing.data import read_corpus

SCHEMAS = Path(hub_data.__file__).parent / "schemas"
MANIFEST = "corpus.manifest.json"


def run(*args: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(a) for a in args])
    return code, out.getvalue(), err.getvalue()


def document(command: str, *args: object, code: int = 0) -> Any:
    found, out, err = run("data", command, *args, "--json")
    assert found == code, (out, err)
    said = json.loads(out)
    schema = json.loads((SCHEMAS / f"data-{command}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(said)
    return said


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a key in it, and no policy of the user's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("HUB_TRUST", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("lab", "other"):
        assert run("keygen", "-o", f"{name}.pem")[0] == 0
    return tmp_path


@pytest.fixture
def corpus(work: Path) -> Path:
    """A signed data set of four files, one of them in a folder."""
    folder = work / "corpus"
    (folder / "more").mkdir(parents=True)
    (folder / "train.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    (folder / "eval.jsonl").write_text('{"text": "three"}')  # without an end to its last line
    (folder / "table.csv").write_text('id,text\n1,"two\nlines"\n2,x\n')
    (folder / "more" / "raw.bin").write_bytes(bytes(range(256)) * 8192)
    document("add", folder, "--key", "lab.pem")
    return folder


def verified(folder: Path, code: int = 0) -> Any:
    return document("verify", folder, "--key", "lab.pem.pub", code=code)


def test_a_version_names_every_file(corpus: Path) -> None:
    manifest = json.loads((corpus / MANIFEST).read_text())
    schema = json.loads((Path(hub.__file__).parent / "schemas" / "corpus.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(manifest)
    assert (manifest["version"], manifest["parent"], manifest["scope"]) == (1, None, "folder")
    rows = {f["name"]: f.get("rows") for f in manifest["files"]}
    assert rows == {"eval.jsonl": 1, "more/raw.bin": None, "table.csv": 3, "train.jsonl": 2}
    for file in manifest["files"]:
        assert file["sha256"] == hashlib.sha256((corpus / file["name"]).read_bytes()).hexdigest()
    said = verified(corpus)
    assert (said["signed"], said["corpus"]["rows"], said["corpus"]["files"]) == (True, 6, 4)


def test_the_digest_is_that_of_what_sha256sum_prints(corpus: Path) -> None:
    names = sorted(f.name for f in read_corpus(corpus / MANIFEST).files)
    printed = subprocess.run(["sha256sum", *names], cwd=corpus, capture_output=True, text=True, check=True).stdout
    assert read_corpus(corpus / MANIFEST).digest == hashlib.sha256(printed.encode()).hexdigest()


def test_versions_follow_from_each_other(corpus: Path) -> None:
    first = (corpus / MANIFEST).read_bytes()
    again = document("add", corpus, "--key", "lab.pem")
    assert (again["made"], again["version"], again["difference"]) == (False, 1, None)
    assert (corpus / MANIFEST).read_bytes() == first
    with (corpus / "train.jsonl").open("a") as file:
        file.write('{"text": "four"}\n')
    (corpus / "eval.jsonl").rename(corpus / "test.jsonl")
    (corpus / "table.csv").unlink()
    (corpus / "new.txt").write_text("x")
    second = document("add", corpus, "--key", "lab.pem")
    assert second["version"] == 2
    assert second["parent"] == hashlib.sha256(first).hexdigest()
    assert (corpus / "corpus.history" / "1.json").read_bytes() == first
    assert verified(corpus)["verified"]
    found = document("diff", 1, 2, "--of", corpus, code=1)
    assert [f["name"] for f in found["added"]] == ["new.txt"]
    assert [f["name"] for f in found["removed"]] == ["table.csv"]
    assert [(c["a"]["name"], c["b"]["name"]) for c in found["renamed"]] == [("eval.jsonl", "test.jsonl")]
    assert [(c["a"]["rows"], c["b"]["rows"]) for c in found["changed"]] == [(2, 3)]
    assert found["same"] == 1
    code, text, _ = run("data", "diff", "1", "--of", corpus)
    assert code == 1
    assert "renamed  eval.jsonl -> test.jsonl" in text
    assert "4 files differ, 1 are the same" in text
    assert document("diff", 2, corpus / MANIFEST, "--of", corpus)["equal"]
    assert "has no version 3; the newest is 2" in run("data", "diff", "3", "--of", corpus)[2]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit(folder: Path) -> None:
    """Change a file, and the manifest with it, as somebody would who can write there."""
    (folder / "train.jsonl").write_text("{}\n")
    manifest = read_corpus(folder / MANIFEST)
    changed = {"sha256": hashlib.sha256(b"{}\n").hexdigest(), "bytes": 3, "rows": 1}
    document = json.loads(manifest.payload())
    document["files"] = [{**f, **changed} if f["name"] == "train.jsonl" else f for f in document["files"]]
    lines = "".join(f"{f['sha256']}  {f['name']}\n" for f in document["files"])
    document["digest"] = hashlib.sha256(lines.encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(document))


def append(folder: Path) -> None:
    with (folder / "train.jsonl").open("a") as file:
        file.write('{"text": "poison"}\n')


def resign(folder: Path) -> None:
    (folder / f"{MANIFEST}.sig").unlink()
    assert run("sign", folder / MANIFEST, "--key", "other.pem", "--name", "corpus")[0] == 0


TAMPERING: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (lambda f: flip(f / "more" / "raw.bin"), "more/raw.bin is changed"),
    "a row appended": (append, "train.jsonl is changed"),
    "a file added": (lambda f: (f / "more" / "x").write_text("x"), "more/x is not in the manifest"),
    "a file removed": (lambda f: (f / "eval.jsonl").unlink(), "eval.jsonl is missing"),
    "a file renamed": (lambda f: (f / "eval.jsonl").rename(f / "e.jsonl"), "eval.jsonl is now called e.jsonl"),
    "a link": (lambda f: (f / "link").symlink_to(f / "eval.jsonl"), "is a symbolic link"),
    "the manifest edited": (edit, f"{MANIFEST}: not what was signed: {MANIFEST} is changed"),
    "the signature stripped": (lambda f: (f / f"{MANIFEST}.sig").unlink(), f"{MANIFEST}: is not signed"),
    "signed by somebody else": (resign, "not signed by the key"),
    "the manifest gone bad": (lambda f: (f / MANIFEST).write_text("{}"), "is no manifest of a data set"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found(corpus: Path, how: str) -> None:
    tamper, said = TAMPERING[how]
    tamper(corpus)
    found = verified(corpus, code=1)
    assert any(said in problem for problem in found["problems"]), found
    code, out, err = run("data", "verify", corpus, "--key", "lab.pem.pub")
    assert (code, out) == (1, "")
    assert said in err


def test_tampering_with_earlier_versions_is_found(corpus: Path) -> None:
    for number in range(2):
        (corpus / f"{number}.txt").write_text("x")
        document("add", corpus, "--key", "lab.pem")
    assert verified(corpus)["corpus"]["version"] == 3
    old = corpus / "corpus.history" / "1.json"
    kept = old.read_bytes()
    old.write_bytes(kept.replace(b"train", b"brain"))
    assert "corpus.history/1.json" in verified(corpus, code=1)["problems"][0]
    old.unlink()
    assert "corpus.history/1.json is missing" in verified(corpus, code=1)["problems"][0]
    old.write_bytes(kept)
    assert verified(corpus)["verified"]


def test_a_manifest_under_another_name_is_found(corpus: Path) -> None:
    for ending in ("", ".sig"):
        (corpus / f"{MANIFEST}{ending}").rename(corpus / f"other.manifest.json{ending}")
    assert "other.manifest.json: is the manifest of 'corpus'" in verified(corpus, code=1)["problems"]


def test_an_older_version_is_refused_by_a_policy_that_has_seen_a_newer_one(
    corpus: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = work / "trust.toml"
    policy.write_text('[[signer]]\nname = "Lab"\nkey = "lab.pem.pub"\nmodels = ["corpus"]\n')
    monkeypatch.setenv("HUB_TRUST", str(policy))
    kept = {p: (corpus / p).read_bytes() for p in (MANIFEST, f"{MANIFEST}.sig")}
    (corpus / "new.txt").write_text("x")
    document("add", corpus, "--key", "lab.pem")
    said = document("verify", corpus)
    assert (said["signer"], said["corpus"]["version"]) == ("Lab", 2)
    (corpus / "new.txt").unlink()
    for name, data in kept.items():
        (corpus / name).write_bytes(data)
    assert "has sequence 1, and 2 was verified before" in document("verify", corpus, code=1)["problems"][0]


def test_without_a_key_only_the_digests_hold_and_that_is_said(corpus: Path) -> None:
    code, _, err = run("data", "verify", corpus)
    assert code == 2
    assert "--key or --policy says whom to believe" in err
    said = document("verify", corpus, "--digests-only")
    assert (said["verified"], said["signed"]) == (True, False)
    assert "Note: no signature was asked for" in run("data", "verify", corpus, "--digests-only")[1]
    assert run("data", "verify", corpus, "--digests-only", "--key", "lab.pem.pub")[0] == 2
    edit(corpus)
    assert document("verify", corpus, "--digests-only")["verified"], "this is what digests alone cannot find"


def test_files_alone_are_a_data_set_too(work: Path) -> None:
    (work / "d").mkdir()
    for name in ("a.txt", "b.txt", "c.txt"):
        (work / "d" / name).write_text(name)
    said = document("add", "d/a.txt", "d/b.txt", "--name", "two")
    assert (said["manifest"], said["files"], said["signature"]) == (str(work / "d" / "two.manifest.json"), 2, None)
    assert document("verify", "d", "--digests-only")["verified"]
    (work / "d" / "c.txt").unlink()
    assert document("verify", "d", "--digests-only")["verified"]
    assert document("add", "d/a.txt", "d/b.txt", "--name", "two", "--key", "lab.pem")["version"] == 1
    assert document("verify", "d", "--key", "lab.pem.pub")["signed"]
    (work / "d" / "b.txt").write_text("B")
    assert document("verify", "d", "--key", "lab.pem.pub", code=1)["problems"] == ["b.txt is changed"]


def test_what_is_left_out_may_change(corpus: Path) -> None:
    (corpus / "cache").mkdir()
    (corpus / "cache" / "x").write_text("1")
    assert document("add", corpus, "--ignore", "cache/", "--key", "lab.pem")["version"] == 2
    (corpus / "cache" / "x").write_text("2")
    assert verified(corpus)["verified"]
    assert "Left out: cache" in run("data", "verify", corpus, "--key", "lab.pem.pub")[1]
    code, _, err = run("data", "add", corpus, "--ignore", "nothing", "--key", "lab.pem")
    assert code == 2
    assert "--ignore nothing has no effect" in err


def test_nothing_is_built_upon_what_was_edited_and_a_signed_line_stays_signed(corpus: Path) -> None:
    (corpus / "new.txt").write_text("x")
    code, _, err = run("data", "add", corpus)
    assert code == 2
    assert "version 1 is signed; --key signs the next one" in err
    edit(corpus)
    code, _, err = run("data", "add", corpus, "--key", "lab.pem")
    assert code == 1
    assert "its signature is of another manifest: one of them was edited" in err
    assert not (corpus / "corpus.history").exists()
    assert not list(corpus.glob(".hub-*"))


@pytest.mark.parametrize("args", [["nowhere"], ["corpus", "lab.pem"], ["corpus", "--name", "a/b"], []])
@pytest.mark.usefixtures("corpus")
def test_what_is_no_data_set_is_refused(work: Path, args: list[str]) -> None:
    assert run("data", "add", *args)[0] == 2
    assert "none" in run("data", "verify", work, "--digests-only")[2]


def test_the_provenance_of_a_model_names_its_data_and_tells_when_it_has_changed(
    corpus: Path, work: Path, make_gguf: Callable[..., Path]
) -> None:
    model = make_gguf(work / "tiny.gguf")
    code, out, err = run("sign", model, "--key", "lab.pem", "--data", corpus / MANIFEST)
    assert code == 0, err
    digest = read_corpus(corpus / MANIFEST).digest
    assert f"Made from: corpus version 1 (content {digest[:16]})" in out
    assert run("convert", model, "tiny.apr", "--sign-key", "lab.pem")[0] == 0
    verify = ("verify", "tiny.apr", "--provenance", "--key", "lab.pem.pub")
    code, out, _ = run(*verify)
    assert code == 0
    assert f"1. tiny.gguf was signed as it is, made from corpus version 1 (content {digest[:16]})" in out
    code, out, _ = run(*verify, "--data", corpus)
    assert code == 0
    assert f"Data: corpus version 1 (content {digest[:16]}): unchanged" in out
    schema = json.loads((Path(hub.__file__).parent / "schemas" / "provenance.json").read_text())
    for harm, unchanged in ((None, True), (append, False)):
        if harm is not None:
            harm(corpus)
        code, out, _ = run(*verify, "--data", corpus / MANIFEST, "--json")
        said = json.loads(out)
        jsonschema.Draft202012Validator(schema).validate(said)
        assert (code, said["data"][0]["unchanged"]) == (int(not unchanged), unchanged)
        assert said["steps"][0]["data"][0]["digest"] == digest
    assert said["data"][0]["problems"] == ["train.jsonl is changed"]
    document("add", corpus, "--key", "lab.pem")
    code, out, _ = run(*verify, "--data", corpus)
    assert code == 1
    assert "CHANGED: is version 2 with other content; the model was made from corpus version 1" in out


def test_a_model_is_not_signed_for_data_that_has_changed(
    corpus: Path, work: Path, make_gguf: Callable[..., Path]
) -> None:
    model = make_gguf(work / "tiny.gguf")
    append(corpus)
    code, _, err = run("sign", model, "--key", "lab.pem", "--data", corpus)
    assert code == 1
    assert "its files are others: train.jsonl is changed; hub data add makes a new version" in err
    assert not (work / "tiny.gguf.sig").exists()
    assert run("sign", model, "--key", "lab.pem")[0] == 0
    assert (
        "--data has no effect without --provenance" in run("verify", model, "--key", "lab.pem.pub", "--data", corpus)[2]
    )


def test_the_command_imports_nothing_heavy_for_its_help() -> None:
    code = "import sys; from hub.cli import main; main(['data', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"numpy", "cryptography", "hub.plugins"}.isdisjoint(done.stdout.split())
