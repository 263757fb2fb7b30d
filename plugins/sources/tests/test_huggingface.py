"""Repositories of the Hub's stand-in: what comes of each kind, and what becomes of every fault."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import hub_loopback
import pytest
from hub_loopback import COMMITS, Fault, Loopback

from hub.errors import HubError, NotVerified, UnsupportedFile, UsageError
from hub_sources import HuggingFace, Wish

FILE = "tiny-q4_k_m.gguf"


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """The empty folder that a model is fetched into."""
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def served(hub_server: Loopback, model_gguf: bytes) -> Loopback:
    """The stand-in with one repository, org/tiny-GGUF."""
    hub_server.add("org/tiny-GGUF", {FILE: model_gguf, "tiny-q8_0.gguf": b"other", "README.md": b"# Tiny"})
    return hub_server


def blobs(cache: Path) -> set[str]:
    return {p.name for p in cache.glob("models--*/blobs/*")}


def test_the_file_of_a_quantization_comes(source: HuggingFace, into: Path, model_gguf: bytes) -> None:
    got = source.obtain("hf://org/tiny-GGUF", into, Wish("q4_k_m"))
    assert got.path == into / FILE
    assert got.path.read_bytes() == model_gguf
    assert not got.path.is_symlink()
    assert [p.name for p in into.iterdir()] == [FILE]
    (part,) = got.parts
    assert (part.nbytes, part.sha256) == (len(model_gguf), hashlib.sha256(model_gguf).hexdigest())
    assert part.compared == "sha256"
    assert got.revision == COMMITS[0]


@pytest.mark.parametrize(
    "address",
    ["hf://org/tiny-GGUF/" + FILE, "hf://org/tiny-GGUF@main/" + FILE, f"hf://org/tiny-GGUF@{COMMITS[0]}/{FILE}"],
)
def test_every_spelling_finds_the_file(source: HuggingFace, into: Path, address: str) -> None:
    assert source.fetch(address, into) == into / FILE


@pytest.mark.parametrize("address", ["hf://tiny", "hf://", "hf:org/tiny", "hf://org/tiny@", "hf://org//file"])
def test_other_spellings_are_refused(source: HuggingFace, into: Path, address: str) -> None:
    with pytest.raises(UsageError, match=r"hf://ORG/REPO\[@REV\]\[/FILE\] was expected"):
        source.fetch(address, into)


def test_shards_and_companions_come_as_a_folder(
    hub_server: Loopback, source: HuggingFace, into: Path, model_folder: Mapping[str, bytes]
) -> None:
    hub_server.add("org/tiny", model_folder)
    got = source.obtain("hf://org/tiny", into, Wish())
    assert got.path == into / "tiny"
    came = {p.name: p.read_bytes() for p in got.path.rglob("*")}
    aside = {"pytorch_model.bin", "onnx/model.onnx", "onnx/config.json", "flax_model.msgpack", ".gitattributes"}
    aside.add("pytorch_model.bin.index.json")
    assert came == {n: d for n, d in model_folder.items() if n not in aside}
    assert {p.compared for p in got.parts} == {"sha256", "git sha1"}


def test_a_pickle_is_refused_before_a_byte_of_it_comes(hub_server: Loopback, source: HuggingFace, into: Path) -> None:
    hub_server.add("org/old", {"pytorch_model.bin": b"\x80\x02", "config.json": b"{}"})
    with pytest.raises(UnsupportedFile, match=r"hf://org/old: holds its weights as pickle only .* can run code"):
        source.fetch("hf://org/old", into)
    assert not [p for p in hub_server.paths() if "/resolve/" in p]


@pytest.mark.parametrize(("fault", "kind"), [(FILE, "sha256"), ("README.md", "git sha1")])
def test_other_bytes_of_the_same_length_are_found(
    hub_server: Loopback, source: HuggingFace, into: Path, tmp_path: Path, model_folder: Mapping[str, bytes],
    model_gguf: bytes, fault: str, kind: str,
) -> None:  # fmt: skip
    hub_server.add("org/tiny", {FILE: model_gguf} if fault == FILE else model_folder)
    hub_server.faults.append(Fault("flip", only=fault, times=1))
    with pytest.raises(
        NotVerified, match=rf"{fault}: not the bytes that were announced: {kind}.*deleted from the cache"
    ) as error:
        source.fetch("hf://org/tiny", into)
    assert error.value.exit_code == 1
    assert not list(into.rglob(fault))
    kept = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "cache").glob("models--*/blobs/*")}
    good = model_gguf if fault == FILE else model_folder[fault]
    assert hashlib.sha256(good[:-1] + bytes([good[-1] ^ 1])).hexdigest() not in kept
    assert source.fetch("hf://org/tiny", into / "again").exists()  # the second time the server behaves


def test_bytes_that_changed_in_the_cache_are_found(source: HuggingFace, into: Path, tmp_path: Path) -> None:
    source.fetch("hf://org/tiny-GGUF/" + FILE, into)
    (blob,) = (p for p in (tmp_path / "cache").glob("models--*/blobs/*") if len(p.name) == 64)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    for wish in (Wish(), Wish(offline=True)):
        with pytest.raises((NotVerified, HubError)):
            source.obtain("hf://org/tiny-GGUF/" + FILE, into / "again", wish)
    assert not blob.exists()


def test_a_connection_that_is_cut_is_taken_up_again(
    served: Loopback, source: HuggingFace, into: Path, model_gguf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)  # 10 MB otherwise, and the file is smaller
    served.faults.append(Fault("cut", only=FILE, times=1))
    assert source.fetch("hf://org/tiny-GGUF/" + FILE, into).read_bytes() == model_gguf
    ranges = [h.get("range") for how, path, h in served.asked if how == "GET" and path.endswith(FILE)]
    assert ranges == [None, f"bytes={len(model_gguf) // 2 // 1024 * 1024}-"]


def test_a_later_run_goes_on_where_an_earlier_one_ended(
    served: Loopback, source: HuggingFace, into: Path, model_gguf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    served.faults.append(Fault("cut", only=FILE))
    with pytest.raises(HubError, match="cannot be fetched from"):
        source.fetch("hf://org/tiny-GGUF/" + FILE, into / "first")
    assert not (into / "first").exists()
    served.faults.clear()
    served.asked.clear()
    assert source.fetch("hf://org/tiny-GGUF/" + FILE, into / "second").read_bytes() == model_gguf
    (asked,) = [h.get("range", "") for how, path, h in served.asked if how == "GET" and path.endswith(FILE)]
    assert int(asked.removeprefix("bytes=").removesuffix("-")) >= len(model_gguf) // 2 // 1024 * 1024


def test_what_an_earlier_run_left_is_not_believed(
    source: HuggingFace, into: Path, tmp_path: Path, model_gguf: bytes
) -> None:
    digest = hashlib.sha256(model_gguf).hexdigest()
    part = tmp_path / "cache" / "models--org--tiny-GGUF" / "hub" / f"{digest}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * 100)
    with pytest.raises(NotVerified, match="not the bytes that were announced"):
        source.fetch("hf://org/tiny-GGUF/" + FILE, into / "first")
    assert source.fetch("hf://org/tiny-GGUF/" + FILE, into / "second").read_bytes() == model_gguf
    part.write_bytes(b"?" * (len(model_gguf) + 1))
    (tmp_path / "cache" / "models--org--tiny-GGUF" / "blobs" / digest).unlink()
    assert source.fetch("hf://org/tiny-GGUF/" + FILE, into / "third").read_bytes() == model_gguf


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "HF_TOKEN"),
        (404, {"X-Error-Code": "RepoNotFound"}, "is not there (404); check the spelling"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "has no such revision"),
        (403, {"X-Error-Code": "GatedRepo"}, "is gated"),
        (429, {"Retry-After": "600"}, "too many requests (429), and asks to wait 600 s"),
        (500, {}, "answers 500"),
        (503, {}, "answers 503"),
    ],
)
def test_a_refusal_is_said_in_one_line(
    served: Loopback, source: HuggingFace, into: Path, status: int, headers: Mapping[str, str], said: str
) -> None:
    served.faults.append(Fault("status", status=status, headers=headers))
    with pytest.raises(HubError) as error:
        source.fetch("hf://org/tiny-GGUF", into)
    assert said in str(error.value)
    assert error.value.file == "hf://org/tiny-GGUF"
    assert error.value.exit_code == 2
    assert not list(into.iterdir())


def test_a_busy_hub_is_asked_again_after_the_time_it_says(served: Loopback, source: HuggingFace, into: Path) -> None:
    served.faults.append(Fault("status", status=429, headers={"Retry-After": "0"}, times=2))
    assert source.fetch("hf://org/tiny-GGUF/" + FILE, into).exists()
    assert sum("/api/" in p for p in served.paths()) == 3
    served.asked.clear()
    served.faults.append(Fault("status", status=500))
    with pytest.raises(HubError, match="answers 500"):
        source.fetch("hf://org/tiny-GGUF/" + FILE, into)
    assert len(served.asked) == 3


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "wants to know who asks (401)"),
        (404, {"X-Error-Code": "EntryNotFound"}, "is not there (404)"),
        (429, {"Retry-After": "0"}, "too many requests (429)"),
        (500, {}, "answers 500; the fault is there"),
    ],
)
def test_a_refusal_of_a_file_is_said_after_patience(
    served: Loopback, source: HuggingFace, into: Path, monkeypatch: pytest.MonkeyPatch, status: int,
    headers: Mapping[str, str], said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(time, "sleep", lambda _: None)  # huggingface_hub waits up to half a minute
    served.faults.append(Fault("status", only=FILE, status=status, headers=headers))
    with pytest.raises(HubError) as error:
        source.fetch("hf://org/tiny-GGUF/" + FILE, into)
    assert said in str(error.value)
    assert error.value.file == f"hf://org/tiny-GGUF/{FILE}"
    assert not list(into.iterdir())


def test_a_full_disk_is_said(source: HuggingFace, into: Path) -> None:
    resource = pytest.importorskip("resource", reason="no limits on this system")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(HubError, match="cannot be kept: File too large"):
            source.fetch("hf://org/tiny-GGUF/" + FILE, into)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_progress_counts_every_byte_once(source: HuggingFace, into: Path, model_gguf: bytes) -> None:
    class Counts:
        def __init__(self) -> None:
            self.total, self.done = 0, 0

        def start(self, what: str, nbytes: int) -> None:
            self.total += nbytes

        def advance(self, nbytes: int) -> None:
            self.done += nbytes

    for folder in ("fresh", "cached"):
        counts = Counts()
        source.obtain("hf://org/tiny-GGUF/" + FILE, into / folder, Wish(progress=counts))
        assert (counts.total, counts.done) == (len(model_gguf), len(model_gguf))


def test_a_hub_that_lists_no_digests_is_held_to_its_own_headers(
    served: Loopback, source: HuggingFace, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_loopback, "sibling", lambda name, data: {"rfilename": name, "size": len(data)})
    assert source.obtain("hf://org/tiny-GGUF/" + FILE, into, Wish()).parts[0].compared == "sha256"
    served.faults.append(Fault("flip", only="tiny-q8_0.gguf"))
    with pytest.raises(NotVerified, match="git sha1"):
        source.fetch("hf://org/tiny-GGUF/tiny-q8_0.gguf", into)


def test_nobody_there_is_said(tmp_path: Path, into: Path) -> None:
    nowhere = HuggingFace("http://127.0.0.1:9", tmp_path / "cache")
    with pytest.raises(HubError, match=r"cannot be fetched from http://127\.0\.0\.1:9.*--offline takes what"):
        nowhere.fetch("hf://org/tiny-GGUF", into)


def test_a_gated_repository_wants_a_token(
    hub_server: Loopback, source: HuggingFace, into: Path, model_gguf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub_server.add("org/gated", {FILE: model_gguf}, gated=True)
    hub_server.token = "hf_right"  # noqa: S105  # the stand-in's
    with pytest.raises(HubError, match=r"is gated.*accept its conditions at http://127.*/org/gated.* and set HF_TOKEN"):
        source.fetch("hf://org/gated", into)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert source.fetch("hf://org/gated", into).exists()


def test_the_token_does_not_follow_to_another_host(
    served: Loopback, elsewhere: Loopback, source: HuggingFace, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert source.fetch("hf://org/tiny-GGUF/" + FILE, into).exists()
    assert all(h.get("authorization") == "Bearer hf_secret" for _, _, h in served.asked)
    assert elsewhere.paths() != []
    assert not any("authorization" in h or "hf_secret" in str(h) for _, _, h in elsewhere.asked)


def test_other_bytes_from_another_host_are_found(elsewhere: Loopback, source: HuggingFace, into: Path) -> None:
    elsewhere.faults.append(Fault("flip"))
    with pytest.raises(NotVerified, match="not the bytes that were announced"):
        source.fetch("hf://org/tiny-GGUF/" + FILE, into)


def test_a_revision_that_moves_does_not_mix(
    hub_server: Loopback, source: HuggingFace, into: Path, model_folder: Mapping[str, bytes]
) -> None:
    repo = hub_server.add("org/tiny", model_folder, {**model_folder, "config.json": b'{"model_type": "other"}'})
    listed = hub_server.repos["org/tiny"].at

    def moving(revision: str) -> int | None:
        found = listed(revision)
        repo.main = 1  # as soon as the listing is out
        return found

    repo.at = moving  # type: ignore[method-assign]
    got = source.obtain("hf://org/tiny", into, Wish())
    assert (got.path / "config.json").read_bytes() == model_folder["config.json"]
    assert got.revision == COMMITS[0]
    assert {p.split("/")[4] for p in hub_server.paths() if "/resolve/" in p} == {COMMITS[0]}


def test_what_was_fetched_comes_again_offline(
    served: Loopback, source: HuggingFace, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.obtain("hf://org/tiny-GGUF", into / "first", Wish("q4_k_m"))
    served.asked.clear()
    for number, wish in enumerate((Wish("q4_k_m", offline=True), Wish())):
        got = source.obtain("hf://org/tiny-GGUF", into / str(number), wish)
        assert got.path.exists()
        assert got.revision == COMMITS[0]
        assert got.parts[0].compared == "sha256"
        assert "offline" in got.notes[-1]
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not served.asked
    with pytest.raises(HubError, match="hf://org/other: is not in the cache, and offline"):
        source.obtain("hf://org/other", into, Wish(offline=True))


def test_two_at_once_bring_the_same(served: Loopback, source: HuggingFace, into: Path, model_gguf: bytes) -> None:
    served.faults.append(Fault("slow", only=FILE, seconds=0.2, times=1))
    got: list[bytes] = []

    def fetch(number: int) -> None:
        got.append(source.fetch("hf://org/tiny-GGUF/" + FILE, into / str(number)).read_bytes())

    threads = [threading.Thread(target=fetch, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [model_gguf] * 3
