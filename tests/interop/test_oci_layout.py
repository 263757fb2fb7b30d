"""The registry's store, read and copied by the library of the ORAS project, which hashes all it reads."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from safetensors.numpy import save_file

from hub.cli import main

pytestmark = pytest.mark.timeout(900)  # the first test builds the program

MODULE = Path(__file__).parent / "oci"
Oci: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"


@pytest.fixture(scope="session")
def oci(request: pytest.FixtureRequest) -> Oci:
    """The program as a function of its arguments; skips, saying so, without go or its module proxy."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed: the store was not read by the ORAS library")
    cache: Any = request.config.cache
    folder = Path(cache.mkdir("oci-layout"))
    shutil.copytree(MODULE, folder, dirs_exist_ok=True)
    fetched = subprocess.run([go, "mod", "tidy"], cwd=folder, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"the module oras-go cannot be fetched: {fetched.stderr.strip()[-300:]}")
    built = subprocess.run([go, "build", "-o", "oci", "."], cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [folder / "oci", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300
        )

    return run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with three names of two models."""
    monkeypatch.setenv("HUB_REGISTRY", str(tmp_path / "registry"))
    for seed in (1, 2):
        path = tmp_path / f"m{seed}.safetensors"
        save_file({"w": np.random.default_rng(seed).normal(size=(64, 64)).astype(np.float32)}, path)
        assert main(["registry", "add", f"org/m{seed}:v1", str(path)]) == 0
    assert main(["registry", "tag", "org/m2:v1", "production"]) == 0
    assert main(["registry", "rm", "org/m1:v1"]) == 0
    assert main(["registry", "rollback", "org/m1:v1"]) == 0
    return tmp_path / "registry"


def test_the_library_reads_every_name_and_hashes_every_blob(oci: Oci, store: Path) -> None:
    done = oci("list", store)
    assert done.returncode == 0, done.stderr
    told = {one["name"]: one for one in json.loads(done.stdout)}
    assert sorted(told) == ["org/m1:v1", "org/m2:production", "org/m2:v1"]
    assert {one["artifact_type"] for one in told.values()} == {"application/vnd.cncf.model.manifest.v1+json"}
    assert {one["config"] for one in told.values()} == {"application/vnd.cncf.model.config.v1+json"}
    assert told["org/m1:v1"]["layers"] == ["application/vnd.cncf.model.weight.v1.raw"]
    assert told["org/m1:v1"]["paths"] == ["m1.safetensors"]
    assert told["org/m2:v1"]["digest"] == told["org/m2:production"]["digest"]


def test_the_library_refuses_what_verify_refuses(oci: Oci, store: Path) -> None:
    blob = max((store / "blobs" / "sha256").iterdir(), key=lambda p: p.stat().st_size)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)
    assert main(["registry", "verify"]) == 1
    done = oci("list", store)
    assert done.returncode == 1
    assert blob.name in done.stderr


def test_a_layout_that_the_library_wrote_is_a_registry(
    oci: Oci, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = oci("copy", store, "org/m2:v1", tmp_path / "copied")
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("HUB_REGISTRY", str(tmp_path / "copied"))
    assert main(["registry", "verify"]) == 0
    assert main(["inspect", "org/m2:v1"]) == 0
    assert main(["registry", "tag", "org/m2:v1", "staging"]) == 0
    assert main(["registry", "verify"]) == 0
    capsys.readouterr()
    assert main(["diff", "org/m2:staging", str(tmp_path / "m2.safetensors")]) == 0
    assert oci("list", tmp_path / "copied").returncode == 0
