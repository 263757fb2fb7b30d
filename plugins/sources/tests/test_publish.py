"""`hub publish` against the stand-in: what is sent, what is refused before, and what becomes of every fault."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hub_loopback import COMMITS, LFS_FROM, Fault, Loopback

import hub_sources
from hub.cli import main

SCHEMA = Path(hub_sources.__file__).parent / "schemas" / "publish.json"
FILE = "tiny-q4_k_m.gguf"


def run(*args: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(a) for a in args])
    return code, out.getvalue(), err.getvalue()


def document(*args: object, code: int = 0) -> Any:
    found, out, err = run(*args, "--json")
    assert found == code, (out, err)
    said = json.loads(out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(said)
    return said


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def front(text: str) -> Any:
    return yaml.safe_load(text.split("---\n")[1])


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub_server: Loopback) -> Iterator[Path]:
    """An empty working directory, an empty Hub, and its token."""
    from huggingface_hub import constants

    hub_server.token = "hf_right"  # noqa: S105  # the stand-in's
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    monkeypatch.setenv("HF_ENDPOINT", hub_server.url)
    monkeypatch.setenv("HUB_DISABLE_PLUGINS", "hub-runtime")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # huggingface_hub waits seconds before it asks again
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert not list(folder.rglob(".hub-*")), "something hidden was left"


@pytest.fixture
def folder(work: Path, model_folder: Mapping[str, bytes]) -> Path:
    """The folder of a SafeTensors model in two shards, with card and licence."""
    kept = ("model-", "model.", "config.json", "README.md", "LICENSE")
    for name, data in model_folder.items():
        if name.startswith(kept):
            (work / "tiny").mkdir(exist_ok=True)
            (work / "tiny" / name).write_bytes(data)
    return work / "tiny"


@pytest.fixture
def single(work: Path, model_gguf: bytes) -> Path:
    """A folder with one GGUF file and nothing else."""
    (work / "one").mkdir()
    (work / "one" / FILE).write_bytes(model_gguf)
    return work / "one"


def test_a_folder_is_published_in_one_commit_and_comes_back_as_it_was(
    folder: Path, hub_server: Loopback, work: Path
) -> None:
    said = document("publish", folder, "org/tiny", "--message", "The first")
    assert (said["created"], said["commit"], said["others"]) == (True, COMMITS[1], [])
    repo = hub_server.repos["org/tiny"]
    assert {n: d for n, d in repo.commits[repo.main].items() if n != ".gitattributes"} == bytes_of(folder)
    assert repo.messages == ["The first"]
    assert said["compared"] == len(bytes_of(folder)) == len(said["files"])
    assert any(len(d) >= LFS_FROM for d in bytes_of(folder).values())
    for entry in said["files"]:
        assert entry["sha256"] == hashlib.sha256((folder / entry["name"]).read_bytes()).hexdigest()
    assert run("import", "hf://org/tiny", "-o", "back")[0] == 0
    assert bytes_of(work / "back") == bytes_of(folder)


def test_what_has_not_changed_is_not_sent_again(folder: Path, hub_server: Loopback) -> None:
    document("publish", folder, "org/tiny")
    hub_server.asked.clear()
    (folder / "NOTES.md").write_text("more")
    said = document("publish", folder, "org/tiny")
    assert (said["created"], said["commit"]) == (False, COMMITS[2])
    assert hub_server.paths("PUT") == []
    (folder / "NOTES.md").unlink()
    assert document("publish", folder, "org/tiny")["others"] == ["NOTES.md"]
    assert "files were there before and stay" in run("publish", folder, "org/tiny")[1]


def test_a_dry_run_says_the_same_and_asks_nobody(folder: Path, hub_server: Loopback) -> None:
    planned = document("publish", folder, "org/tiny", "--dry-run")
    assert hub_server.asked == []
    assert hub_server.repos == {}
    assert planned["commit"] is None
    assert planned["files"] == document("publish", folder, "org/tiny")["files"]
    text = run("publish", folder, "org/tiny", "--plan")[1]
    assert all(f"{e['sha256']}" in text and e["name"] in text for e in planned["files"])
    assert "Nothing was sent: 6 files" in text


def test_a_card_says_what_is_known_and_lists_what_is_not(single: Path, hub_server: Loopback, work: Path) -> None:
    said = document("publish", single, "org/one", "--save-card", "card.md")
    card = said["card"]["text"]
    assert (work / "card.md").read_text() == card
    assert hub_server.repos["org/one"].commits[1]["README.md"].decode() == card
    assert not (single / "README.md").exists()
    assert front(card) == {"tags": ["gguf"]}
    assert said["unknown"] == ["licence", "base model", "language", "task", "library", "training data"]
    assert said["license"] is None
    assert hashlib.sha256((single / FILE).read_bytes()).hexdigest() in card
    assert "| llama |" in card.replace("| gguf ", "")
    for invented in ("More Information", "TODO", "N/A", "None"):
        assert invented not in card
    again = document(
        "publish", single, "org/one", "--license", "MIT", "--model-name", "A [name]", "--pipeline-tag",
        "text-generation", "--library-name", "llama.cpp", "--tags", "tiny,test", "--tags", "more", "--card", "new",
    )  # fmt: skip
    assert front(again["card"]["text"]) == {
        "license": "mit", "pipeline_tag": "text-generation", "library_name": "llama.cpp",
        "tags": ["tiny", "test", "more", "gguf"],
    }  # fmt: skip
    assert "# A \\[name\\]" in again["card"]["text"]
    assert again["license"]["said_by"] == "--license"


def test_a_card_that_is_there_is_kept_unless_a_new_one_is_asked_for(folder: Path, hub_server: Loopback) -> None:
    own = (folder / "README.md").read_bytes()
    assert document("publish", folder, "org/tiny", "--license", "mit")["card"]["kind"] == "own"
    assert hub_server.repos["org/tiny"].commits[1]["README.md"] == own
    code, _, err = run("publish", folder, "org/tiny", "--tags", "x")
    assert code == 2
    assert "--tags has no effect: the README.md that is there is kept; --card new makes one" in err
    assert document("publish", folder, "org/tiny", "--card", "new", "--tags", "x")["card"]["kind"] == "new"
    assert (folder / "README.md").read_bytes() == own
    assert hub_server.repos["org/tiny"].commits[2]["README.md"] != own
    assert run("publish", folder, "org/tiny", "--card", "none")[0] == 2
    assert run("publish", folder, "org/tiny", "--save-card", "x.md")[0] == 2


@pytest.mark.parametrize(
    ("given", "front_matter"),
    [
        ("mit", {"license": "mit"}),
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("llama3.2", {"license": "llama3.2"}),
        ("GPL-3.0-only", {"license": "gpl-3.0", "license_name": "GPL-3.0-only"}),
        ("BlueOak-1.0.0", {"license": "other", "license_name": "BlueOak-1.0.0"}),
        ("mit OR apache-2.0", {"license": "other", "license_name": "MIT OR Apache-2.0"}),
    ],
)
def test_a_licence_is_one_of_spdx_or_of_the_hub(single: Path, given: str, front_matter: dict[str, str]) -> None:
    said = document("publish", single, "org/one", "--license", given)
    assert {k: v for k, v in front(said["card"]["text"]).items() if k.startswith("license")} == front_matter


def test_a_licence_that_nobody_knows_or_two_that_differ_are_refused(
    folder: Path, single: Path, hub_server: Loopback
) -> None:
    code, _, err = run("publish", single, "org/one", "--license", "my-own")
    assert (code, hub_server.asked) == (2, [])
    assert "--license: 'my-own' is no licence on the SPDX list, nor on the Hub's" in err
    said = document("publish", folder, "org/tiny", "--license", "apache-2.0", code=1)
    assert said["problems"] == ["the licence is not one: --license says apache-2.0, and README.md says mit"]
    (folder / "README.md").write_text("---\nlicense: mit-0-like\n---\n")
    assert "no licence on the SPDX list" in document("publish", folder, "org/tiny", code=1)["problems"][0]
    (folder / "README.md").write_text("---\nlicense: [\n---\n")
    assert "front matter cannot be read" in document("publish", folder, "org/tiny", code=1)["problems"][0]
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "LICENSE").write_text("\n                  LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\n")
    problem = document("publish", folder, "org/tiny", code=1)["problems"][0]
    assert problem == "the licence is not one: README.md says apache-2.0, and LICENSE says llama3.2"
    assert hub_server.repos == {}


SECRETS = {
    "token.txt": b"export HF_TOKEN=hf_" + b"a" * 34,
    "key.pem": b"-----BEGIN EC PRIVATE KEY-----\n",
    "aws.ini": b"id = AKIA" + b"ABCDEFGH12345678\n",
    ".env": b"",
    "id_rsa": b"",
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_stay(single: Path, hub_server: Loopback, name: str) -> None:
    (single / name).write_bytes(b"x" * (1 << 20) + SECRETS[name])  # behind the first piece that is read
    said = document("publish", single, "org/one", code=1)
    assert len(said["problems"]) == 1
    assert said["problems"][0].startswith(name)
    assert hub_server.asked == []


def test_pickles_stay(single: Path, hub_server: Loopback) -> None:
    (single / "weights.bin").write_bytes(b"anything")
    (single / "notes.dat").write_bytes(pickle.dumps({"a": 1}))
    with zipfile.ZipFile(single / "state.zip", "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    problems = document("publish", single, "org/one", code=1)["problems"]
    assert [p.split()[0] for p in problems] == ["notes.dat", "state.zip", "weights.bin"]
    assert all("can run code" in p for p in problems)
    assert hub_server.asked == []


def test_links_and_what_git_keeps_stay(single: Path, work: Path) -> None:
    (work / "outside").mkdir()
    (work / "outside" / "secret.txt").write_text("x")
    for name, target in (("a.txt", work / "outside" / "secret.txt"), ("b", work / "outside")):
        (single / name).symlink_to(target)
    problems = document("publish", single, "org/one", code=1)["problems"]
    assert [p.partition(";")[0] for p in problems] == ["a.txt is a symbolic link", "b is a symbolic link"]
    for name in ("a.txt", "b"):
        (single / name).unlink()
    (single / ".git").mkdir()
    (single / ".git" / "config").write_text("x")
    said = document("publish", single, "org/one")
    assert [e["name"] for e in said["files"]] == ["README.md", FILE]
    assert said["notes"] == [".git stays here"]


def test_a_model_that_fails_its_check_is_not_published(folder: Path, single: Path, hub_server: Loopback) -> None:
    data = bytearray((single / FILE).read_bytes())
    data[4] = 99  # the version
    (single / FILE).write_bytes(data)
    said = document("publish", single, "org/one", code=1)
    assert said["problems"][0].startswith(f"{FILE} fails hub check: ")
    shard = folder / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-4])
    assert "fails hub check" in document("publish", folder, "org/tiny", code=1)["problems"][0]
    (single / FILE).unlink()
    (single / "notes.txt").write_text("x")
    problem = document("publish", single, "org/one", code=1)["problems"]
    assert problem == [f"{single} holds no model that an installed plugin reads"]
    assert hub_server.asked == []


def test_signatures_go_along_and_hold_where_the_model_comes_back(folder: Path, single: Path, work: Path) -> None:
    assert run("keygen", "-o", "lab.pem")[0] == 0
    assert run("sign", folder, "--key", "lab.pem", "--name", "org/tiny")[0] == 0
    assert document("publish", folder, "org/tiny")["ok"]
    assert run("pull", "hf://org/tiny", "-o", "back")[0] == 0
    assert run("verify", "back", "--key", "lab.pem.pub") == (0, *run("verify", "back", "--key", "lab.pem.pub")[1:])
    assert run("convert", single / FILE, single / "tiny.apr", "--sign-key", "lab.pem")[0] == 0
    said = document("publish", single, "org/one")
    roles = {e["name"]: e["role"] for e in said["files"]}
    assert roles["tiny.apr.sig"] == "signature"
    assert roles["tiny.apr.provenance.jsonl"] == "provenance"
    assert "tiny.apr.sig says that 'tiny.apr' was signed with key " in said["card"]["text"]
    assert f"{FILE} (gguf) became tiny.apr (apr) on " in said["card"]["text"]
    other = single / "other.gguf.provenance.jsonl"
    other.write_bytes((single / "tiny.apr.provenance.jsonl").read_bytes())
    (single / "other.gguf").write_bytes((single / FILE).read_bytes())
    problems = document("publish", single, "org/one", code=1)["problems"]
    assert problems == ["other.gguf.provenance.jsonl tells of other files than lie here (other.gguf)"]
    assert run("pull", "hf://org/one/tiny.apr", "-o", "back.apr")[0] == 0
    assert run("verify", "back.apr", "--key", "lab.pem.pub")[0] == 0
    assert (work / "back.apr").read_bytes() == (single / "tiny.apr").read_bytes()


def test_a_signature_that_cannot_hold_is_not_published(folder: Path, single: Path, hub_server: Loopback) -> None:
    assert run("keygen", "-o", "lab.pem")[0] == 0
    assert run("sign", folder, "--key", "lab.pem")[0] == 0
    new = document("publish", folder, "org/tiny", "--card", "new", "--license", "mit", code=1)
    assert "model.sig does not sign the card" in new["problems"][0]
    (folder / "NOTES.md").write_text("later")
    stale = document("publish", folder, "org/tiny", code=1)["problems"]
    assert stale == ["model.sig is of other files than lie here (NOTES.md): sign again"]
    assert run("sign", single / FILE, "--key", "lab.pem")[0] == 0
    sig = single / f"{FILE}.sig"
    sig.rename(single / "other.gguf.sig")
    assert "of other files" in document("publish", single, "org/one", code=1)["problems"][0]
    (single / "other.gguf.sig").write_text("{}")
    assert "no signature that can be read" in document("publish", single, "org/one", code=1)["problems"][0]
    assert hub_server.asked == []


def test_private_repositories_and_branches_are_made(single: Path, hub_server: Loopback) -> None:
    document("publish", single, "org/one", "--private", "--branch", "next")
    repo = hub_server.repos["org/one"]
    assert repo.private
    assert (repo.main, repo.branches["next"]) == (0, 1)
    assert FILE in repo.commits[1]
    assert FILE not in repo.commits[0]
    repo.private = False
    code, _, err = run("publish", single, "org/one", "--private")
    assert code == 2
    assert "--private has no effect: the repository is there, and public" in err


def unchanged(hub_server: Loopback, name: str = "org/one") -> bool:
    repo = hub_server.repos.get(name)
    return repo is None or len(repo.commits) == 1


@pytest.mark.parametrize(
    ("status", "only", "said"),
    [
        (401, "", "wants to know who asks (401); set HF_TOKEN to a token that may write"),
        (403, "/api/repos/create", "does not allow it (403)"),
        (403, "/commit/main", "does not allow it (403)"),
        (409, "/commit/main", "something else has been done there at the same time (409)"),
        (412, "/commit/main", "somebody else has changed it at the same time (412)"),
        (429, "/preupload/main", "too many requests (429)"),
        (500, "/objects/batch", "answers 500"),
        (500, "/commit/main", "answers 500"),
    ],
)
def test_a_refusal_is_said_and_leaves_nothing_visible(
    single: Path, hub_server: Loopback, status: int, only: str, said: str
) -> None:
    hub_server.faults.append(Fault("status", only=only, status=status))
    code, out, err = run("publish", single, "org/one")
    assert (code, out) == (2, "")
    assert said in err
    assert "hf://org/one: " in err
    assert unchanged(hub_server)


def test_without_a_token_the_hub_says_so(single: Path, hub_server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    code, _, err = run("publish", single, "org/one")
    assert code == 2
    assert "set HF_TOKEN to a token that may write" in err
    assert hub_server.repos == {}


def test_an_upload_that_breaks_is_taken_up_again_or_said(single: Path, hub_server: Loopback) -> None:
    digest = hashlib.sha256((single / FILE).read_bytes()).hexdigest()
    hub_server.faults.append(Fault("cut", only=f"/lfs/{digest}"))
    code, _, err = run("publish", single, "org/one")
    assert code == 2
    assert "cannot be sent to " in err
    assert "nothing is visible before all of it has" in err
    assert unchanged(hub_server)
    assert len(hub_server.paths("PUT")) > 1
    hub_server.faults[:] = [Fault("cut", only=f"/lfs/{digest}", times=1)]
    assert document("publish", single, "org/one")["compared"] == 2
    assert hub_server.repos["org/one"].commits[1][FILE] == (single / FILE).read_bytes()


@pytest.mark.parametrize("name", [FILE, "README.md"])
def test_another_byte_at_the_hub_is_found(single: Path, hub_server: Loopback, name: str) -> None:
    digest = hashlib.sha256((single / FILE).read_bytes()).hexdigest()
    hub_server.faults.append(Fault("keep other", only=f"/lfs/{digest}" if name == FILE else name))
    code, out, err = run("publish", single, "org/one")
    assert (code, out) == (1, "")
    kind = "sha256" if name == FILE else "git sha1"
    assert f"what the Hub lists is not what was sent: {name} has {kind} " in err


def test_a_branch_that_moves_meanwhile_is_not_written_over(single: Path, hub_server: Loopback) -> None:
    repo = hub_server.add("org/one", {"a": b"1"})
    listed = repo.at

    def moving(revision: str) -> int | None:
        found = listed(revision)
        if hub_server.paths("PUT") and len(repo.commits) == 1:  # once the bytes are there
            repo.commits.append({"a": b"2"})
            repo.main = 1
            return listed(revision)
        return found

    repo.at = moving  # type: ignore[method-assign]
    code, _, err = run("publish", single, "org/one")
    assert code == 2
    assert "somebody else has changed it at the same time (412)" in err
    assert repo.commits == [{"a": b"1"}, {"a": b"2"}]


def test_a_file_that_changes_meanwhile_is_not_committed(single: Path, hub_server: Loopback) -> None:
    repo = hub_server.add("org/one", {"a": b"1"})
    listed = repo.at

    def harmed(revision: str) -> int | None:
        with (single / FILE).open("ab") as file:
            file.write(b"x")
        return listed(revision)

    repo.at = harmed  # type: ignore[method-assign]
    code, _, err = run("publish", single, "org/one")
    assert code == 1
    assert "is no longer the file that was verified" in err
    assert repo.commits == [{"a": b"1"}]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_nothing_is_visible_after_an_interruption(
    single: Path, hub_server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # time passes again
    digest = hashlib.sha256((single / FILE).read_bytes()).hexdigest()
    hub_server.faults.append(Fault("slow", only=f"/lfs/{digest}", seconds=20))
    environment = {**os.environ, "HF_ENDPOINT": hub_server.url, "HF_TOKEN": "hf_right", "HF_HUB_DISABLE_XET": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "publish", single, "org/one"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not hub_server.paths("PUT"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert unchanged(hub_server)


@pytest.mark.parametrize("repo", ["tiny", "a/b/c", "org/", "org/na me", ""])
def test_other_names_of_repositories_are_refused(single: Path, repo: str) -> None:
    assert run("publish", single, repo)[0] == 2


def test_the_command_imports_nothing_heavy_for_its_help() -> None:
    code = "import sys; from hub.cli import main; main(['publish', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"numpy", "huggingface_hub", "hub.verdicts"}.isdisjoint(done.stdout.split())
