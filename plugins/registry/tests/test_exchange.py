"""Push and pull against Debian's docker-registry: what comes is what was sent, and what breaks is visible nowhere."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from registry_between import Between, Fault, between
from registry_house import Models, Server, document, hub, put, running

from hub.errors import DamagedFile, HubError, NotVerified, TargetExists, UsageError
from hub.pipeline import Silent
from hub_registry import Placed, Pushed, Store, check, pull, push, sweep
from hub_registry._client import Client, check_realm
from hub_registry._names import address, parse


def pushed(store: Store, name: str, to: str, *, force: bool = False) -> Pushed:
    return push(store, parse(name), address(to, writes=True), Silent(), force=force)


def pulled(store: Store, at: str, name: str = "here/tiny:v1") -> Placed:
    return pull(store, address(at), parse(name), Silent(), by="ada@here")


@pytest.fixture
def second(tmp_path: Path) -> Store:
    """The store of another machine."""
    return Store.make(tmp_path / "second")


def is_untouched(store: Store) -> bool:
    """True when nothing is visible in a store, and nothing half-made lies in it."""
    names = [one for one in store.blobs.iterdir() if not one.name.isalnum()]
    return store.index().names == {} and list(store.incoming.iterdir()) == [] and names == [] and store.moves() == []


@pytest.mark.parametrize("what", ["folder", "file", "both"])
def test_what_was_pushed_comes_back_byte_for_byte(
    what: str, store: Store, second: Store, models: Models, server: Server
) -> None:
    paths = {"folder": [models.folder], "file": [models.apr], "both": [models.apr, models.folder]}[what]
    digest = put(store, "org/tiny:v1", *paths)
    sent = pushed(store, "org/tiny:v1", server.address("org/tiny:v1"))
    assert (sent.sent, sent.there, sent.manifest.digest) == (len(sent.manifest.blobs), 0, digest)
    assert server.tags("org/tiny") == ["v1"]
    assert pushed(store, "org/tiny:v1", server.address("org/tiny:v2")).sent == 0
    placed = pulled(second, server.address("org/tiny:v1"))
    assert (placed.manifest.digest, placed.manifest.raw) == (digest, store.small(digest))
    assert check(second, None, Silent()).problems == ()
    assert pulled(second, server.address(f"org/tiny@{digest}"), "here/other:v1").shared == sum(
        blob.size for blob in placed.manifest.blobs
    )
    (move, _) = second.moves()
    assert (move.by, move.action, move.why) == ("ada@here", "pull", f"from {server.address('org/tiny:v1')}")


def test_the_commands_tell_what_they_did(store: Store, models: Models, server: Server, tmp_path: Path) -> None:
    put(store, "org/tiny:v1", models.folder)
    to = server.address("org/tiny:v1")
    code, told = document("registry-push", "registry", "push", "org/tiny:v1", to)
    assert (code, told["sent"], told["address"]) == (0, 7, to)
    code, told = document("registry-placed", "registry", "pull", to, "here/tiny:v1", "--by", "ada")
    assert (code, told["name"], told["move"]["by"]) == (0, "here/tiny:v1", "ada")
    assert "Sent: 0 blobs, 0 bytes; 7 were there" in hub("registry", "push", "org/tiny:v1", to).out
    assert hub("registry", "pull", to).out.startswith("org/tiny:v1: sha256:")
    for command in ("import", "pull"):
        target = tmp_path / command
        ran = hub(command, to, "-o", target)
        assert ran.code == 0, ran
        assert (target / "model.safetensors").read_bytes() == (models.folder / "model.safetensors").read_bytes()
        assert (target / "1_Pooling" / "config.json").is_file()
    assert hub("import", to, "-o", tmp_path / "tiny.apr").code == 0
    assert hub("diff", tmp_path / "tiny.apr", models.folder).code == 0


def test_import_takes_the_format_that_is_named(store: Store, models: Models, server: Server, tmp_path: Path) -> None:
    put(store, "org/tiny:v1", models.folder, models.apr)
    pushed(store, "org/tiny:v1", server.address("org/tiny:v1"))
    assert hub("pull", server.address("org/tiny:v1#apr"), "-o", tmp_path / "x.apr").code == 0
    assert (tmp_path / "x.apr").read_bytes() == models.apr.read_bytes()
    ran = hub("pull", server.address("org/tiny:v1#gguf"), "-o", tmp_path / "x.gguf")
    assert ran.code == 2
    assert "has nothing that is 'gguf'; #NAME picks one: tiny, tiny.apr" in ran.err
    told = hub("import", server.address("org/tiny:v1"), "-o", tmp_path / "y.apr", "--json").told
    assert (told["conversion"], told["revision"]) == (None, store.index().names["org/tiny:v1"])
    assert [(one["name"], one["compared"]) for one in told["files"]] == [("tiny.apr", "sha256")]
    assert told["notes"] == ["tiny.apr is one of 2; behind the address, #tiny picks another"]
    for flag in ("--offline", "--quantization=q8_0"):
        assert hub("import", server.address("org/tiny:v1"), "-o", tmp_path / "z.apr", flag).code == 2


def test_a_tag_over_there_moves_with_force_only(store: Store, models: Models, server: Server) -> None:
    put(store, "org/tiny:v1", models.apr)
    second = put(store, "org/tiny:v2", models.other)
    to = server.address("org/tiny:v1")
    pushed(store, "org/tiny:v1", to)
    with pytest.raises(TargetExists, match="is there already"):
        pushed(store, "org/tiny:v2", to)
    assert pushed(store, "org/tiny:v2", to, force=True).manifest.digest == second
    for name in ("org/tiny:v1", "org/tiny:v2"):  # a stage moves
        pushed(store, name, server.address("org/tiny:production"))


def blob_of(store: Store, name: str, path: str) -> str:
    manifest = store.manifest(store.digest(parse(name)))
    return next(blob.digest for blob in manifest.layers if blob.path == path)


@pytest.mark.parametrize(
    ("damage", "error", "match"),
    [
        (lambda _: None, DamagedFile, "the registry lacks model.safetensors"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), NotVerified, "not the bytes that were announced"),
        (lambda data: data[:-9], NotVerified, "not the bytes that were announced"),
        (lambda data: data + b"more", NotVerified, "not the bytes that were announced: more than"),
    ],
    ids=["missing", "altered", "short", "long"],
)
def test_a_registry_with_a_damaged_blob_is_refused(
    damage: object, error: type[HubError], match: str, store: Store, second: Store, models: Models, server: Server
) -> None:
    put(store, "org/tiny:v1", models.folder)
    pushed(store, "org/tiny:v1", server.address("org/tiny:v1"))
    data = server.blob(blob_of(store, "org/tiny:v1", "model.safetensors"))
    assert callable(damage)
    changed = damage(data.read_bytes())
    data.unlink()
    if changed is not None:
        data.write_bytes(changed)
    with pytest.raises(error, match=match):
        pulled(second, server.address("org/tiny:v1"))
    assert is_untouched(second)
    assert check(second, None, Silent()).problems == ()
    assert hub("pull", server.address("org/tiny:v1"), "-o", second.root.parent / "out").code == error.exit_code
    assert not (second.root.parent / "out").exists()


def test_a_registry_with_an_altered_manifest_is_refused(
    store: Store, second: Store, models: Models, server: Server
) -> None:
    digest = put(store, "org/tiny:v1", models.apr)
    pushed(store, "org/tiny:v1", server.address("org/tiny:v1"))
    path = server.blob(digest)
    path.write_bytes(path.read_bytes().replace(b"tiny.apr", b"evil.apr"))
    with pytest.raises(HubError):
        pulled(second, server.address("org/tiny:v1"))
    assert is_untouched(second)


@pytest.mark.parametrize("part", ["weights", "manifest"])
def test_a_push_that_breaks_is_not_visible_and_goes_on_later(
    part: str, store: Store, second: Store, models: Models, broken: Between, server: Server
) -> None:
    put(store, "org/tiny:v1", models.folder)
    weights = blob_of(store, "org/tiny:v1", "model.safetensors")
    broken.faults = [Fault("PUT", weights if part == "weights" else "/manifests/", cut=1000)]
    with pytest.raises(HubError, match="the connection broke"):
        pushed(store, "org/tiny:v1", broken.address("org/tiny:v1"))
    assert server.tags("org/tiny") == []
    with pytest.raises(HubError, match="404 MANIFEST_UNKNOWN|404 NAME_UNKNOWN"):
        pulled(second, server.address("org/tiny:v1"))
    broken.faults.clear()
    assert pushed(store, "org/tiny:v1", broken.address("org/tiny:v1")).there > 0
    assert pulled(second, server.address("org/tiny:v1")).manifest.nbytes > 0


def test_a_push_that_is_killed_is_not_visible(store: Store, models: Models, broken: Between, server: Server) -> None:
    put(store, "org/tiny:v1", models.folder)
    broken.faults = [Fault("PUT", "/manifests/", status=503)]
    command = [sys.executable, "-m", "hub", "registry", "push", "org/tiny:v1", broken.address("org/tiny:v1")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if any(method == "PUT" for method, _, _ in broken.asked):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert server.tags("org/tiny") == []
    broken.faults.clear()
    assert pushed(store, "org/tiny:v1", broken.address("org/tiny:v1")).manifest
    assert sweep(store, grace=0).blobs == ()
    assert list(store.incoming.iterdir()) == []


def test_one_break_in_a_push_or_pull_is_no_failure(
    store: Store, second: Store, models: Models, broken: Between, tmp_path: Path
) -> None:
    large = Path(shutil.copytree(models.folder, tmp_path / "large"))
    (large / "large.dat").write_bytes(bytes(range(250)) * 1200)
    put(store, "org/tiny:v1", large)
    weights = blob_of(store, "org/tiny:v1", "large.dat")
    broken.faults = [Fault("PUT", weights, cut=1000, times=1), Fault("GET", weights, cut=140_000, times=2)]
    pushed(store, "org/tiny:v1", broken.address("org/tiny:v1"))
    pulled(second, broken.address("org/tiny:v1"))
    assert check(second, None, Silent()).problems == ()
    ranges = [h["range"] for method, path, h in broken.asked if method == "GET" and weights in path and "range" in h]
    assert ranges == ["bytes=131072-", "bytes=262144-"]  # taken up where it broke


def test_a_pull_that_breaks_off_goes_on_from_the_blobs_that_came(
    store: Store, second: Store, models: Models, broken: Between
) -> None:
    put(store, "org/tiny:v1", models.apr, models.other)
    pushed(store, "org/tiny:v1", broken.address("org/tiny:v1"))
    last = blob_of(store, "org/tiny:v1", "other.apr")
    broken.faults = [Fault("GET", last, cut=1000)]
    with pytest.raises(HubError, match="the connection broke"):
        pulled(second, broken.address("org/tiny:v1"))
    assert is_untouched(second)
    broken.faults.clear()
    assert pulled(second, broken.address("org/tiny:v1")).shared > models.apr.stat().st_size


def test_a_busy_registry_is_asked_again(store: Store, second: Store, models: Models, broken: Between) -> None:
    put(store, "org/tiny:v1", models.apr)
    pushed(store, "org/tiny:v1", broken.address("org/tiny:v1"))
    broken.faults = [Fault("GET", "/blobs/", status=503, times=2), Fault("GET", "/manifests/", status=429, times=1)]
    assert pulled(second, broken.address("org/tiny:v1")).move is not None


def test_an_altered_blob_of_our_own_is_not_pushed(store: Store, models: Models, server: Server) -> None:
    put(store, "org/tiny:v1", models.apr)
    path = store.path(blob_of(store, "org/tiny:v1", "tiny.apr"))
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[5000] ^= 4
    path.write_bytes(data)
    with pytest.raises(NotVerified, match="is not what its name says: it was altered"):
        pushed(store, "org/tiny:v1", server.address("org/tiny:v1"))
    assert server.tags("org/tiny") == []


def test_two_pulls_and_a_gc_at_once(store: Store, second: Store, models: Models, server: Server) -> None:
    put(store, "org/tiny:v1", models.folder, models.apr)
    put(store, "org/tiny:v2", models.folder, models.other)
    for tag in ("v1", "v2"):
        pushed(store, f"org/tiny:{tag}", server.address(f"org/tiny:{tag}"))
    environment = {**os.environ, "HUB_REGISTRY": str(second.root)}
    program = [sys.executable, "-m", "hub", "registry"]
    pulls = [
        subprocess.Popen([*program, "pull", server.address(f"org/tiny:{tag}"), f"here/{n}:{tag}"], env=environment)
        for n, tag in enumerate(("v1", "v2", "v1"))
    ]
    for _ in range(400):
        sweep(second, grace=0)
        if all(one.poll() is not None for one in pulls):
            break
        time.sleep(0.02)
    assert [one.wait(60) for one in pulls] == [0, 0, 0]
    sweep(second, grace=0)
    assert list(second.index().names) == ["here/0:v1", "here/1:v2", "here/2:v1"]
    assert check(second, None, Silent()).problems == ()
    assert list(second.incoming.iterdir()) == []


def login(host: str, user: str = "user:secret") -> None:
    folder = Path(os.environ["HOME"]) / ".docker"
    folder.mkdir(parents=True, exist_ok=True)
    auth = base64.b64encode(user.encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_a_registry_that_wants_a_password(store: Store, second: Store, models: Models, tmp_path: Path) -> None:
    put(store, "org/tiny:v1", models.apr)
    (tmp_path / "server").mkdir()
    with running(tmp_path / "server", auth=True) as server:
        to = server.address("org/tiny:v1")
        with pytest.raises(HubError, match="401 Unauthorized; docker login 127.0.0.1"):
            pushed(store, "org/tiny:v1", to)
        login(f"127.0.0.1:{server.port}", "user:wrong")
        with pytest.raises(HubError, match="401"):
            pushed(store, "org/tiny:v1", to)
        login(f"127.0.0.1:{server.port}")
        pushed(store, "org/tiny:v1", to)
        assert pulled(second, to).move is not None


def test_a_registry_that_gives_tokens(store: Store, second: Store, models: Models, broken: Between) -> None:
    put(store, "org/tiny:v1", models.apr)
    broken.user, to = "user:secret", broken.address("org/tiny:v1")
    with pytest.raises(HubError, match="401"):
        pushed(store, "org/tiny:v1", to)
    login(f"127.0.0.1:{broken.port}")
    pushed(store, "org/tiny:v1", to)  # the token that reads is changed for one that writes
    (Path(os.environ["HOME"]) / ".docker" / "config.json").unlink()
    assert pulled(second, to).move is not None  # anybody may read


def test_credentials_are_told_to_no_other_host(store: Store, models: Models, broken: Between, server: Server) -> None:
    put(store, "org/tiny:v1", models.apr)
    login(f"127.0.0.1:{broken.port}")
    with between(server.port) as other:
        broken.user, broken.elsewhere = "user:secret", other.port
        pushed(store, "org/tiny:v1", broken.address("org/tiny:v1"))
        assert [method for method, _, _ in other.asked] == ["PUT", "PUT"]
        assert not [headers for _, _, headers in other.asked if "authorization" in headers]
    assert any("authorization" in headers for _, _, headers in broken.asked)


def test_https_does_not_lead_to_plain_http() -> None:
    client = Client("registry.example", plain=False, here=False)
    with pytest.raises(HubError, match="was named by an https registry"):
        client.do_request("http://registry.example/upload", "PUT", data=b"model")
    with pytest.raises(HubError, match="asks for credentials at a plain http:// address"):
        check_realm("https://registry.example/v2/", 'Bearer realm="http://registry.example/token",service="x"')


def test_where_nobody_answers(store: Store, models: Models) -> None:
    put(store, "org/tiny:v1", models.apr)
    ran = hub("registry", "push", "org/tiny:v1", "oci://127.0.0.1:9/org/tiny:v1")
    assert ran.code == 2
    assert "oci://127.0.0.1:9/org/tiny:v1: the connection broke, or there was none" in ran.err
    with pytest.raises(UsageError, match="--insecure has no effect"):
        push(store, parse("org/tiny:v1"), address("oci://localhost:9/a/b:c"), Silent(), insecure=True)


def test_pull_says_what_it_cannot_do(server: Server) -> None:
    assert "what shall it be called?" in hub("registry", "pull", server.address("tiny:v1")).err
    assert "#FORMAT has no effect" in hub("registry", "pull", server.address("org/tiny:v1#apr")).err
    assert "MANIFEST_UNKNOWN" in hub("registry", "pull", server.address("org/tiny:v1")).err
