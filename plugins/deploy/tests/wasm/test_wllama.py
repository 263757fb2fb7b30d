"""Where llama.cpp for the browser comes from, and that nothing else is taken for it."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import HubError
from hub_deploy.wasm import Wllama, wllama

Npm = Callable[[str], None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no npm on the path."""
    monkeypatch.setenv("HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def npm(tmp_path: Path) -> Npm:
    """Puts a program npm on the path, a shell script of these lines; $folder is where a package is to go."""

    def write(lines: str) -> None:
        script = tmp_path / "bin" / "npm"
        script.write_text(f"#!/bin/sh\nfolder=$5\n{lines}\n")
        script.chmod(stat.S_IRWXU)

    if os.name == "nt":
        pytest.skip("there are no shell scripts here")
    return write


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_without_npm_the_error_says_what_to_do() -> None:
    with pytest.raises(HubError, match="there is no npm to fetch it") as refused:
        wllama()
    assert refused.value.hint is not None
    assert "--wllama" in refused.value.hint


def test_what_npm_says_is_passed_on(npm: Npm, cache: Path) -> None:
    npm("echo 'npm error code ENOTFOUND' >&2; exit 1")
    with pytest.raises(HubError, match="npm did not fetch @wllama/wllama@3.13.0: npm error code ENOTFOUND"):
        wllama()
    assert not cache.exists()


def test_another_archive_is_not_taken_nor_kept(npm: Npm, tmp_path: Path, cache: Path) -> None:
    fake = archive(tmp_path / "fake.tgz", {"package/esm/index.js": b"steal()"})
    npm(f"/bin/cp {fake} $folder/wllama.tgz")
    with pytest.raises(HubError, match=r"this is not @wllama/wllama@3\.13\.0: its SHA-512 is"):
        wllama()
    assert not cache.exists()
    with pytest.raises(HubError, match="its SHA-512 is"):
        wllama(fake)


def test_a_cache_that_was_changed_is_not_used(cache: Path) -> None:
    (cache / "npm").mkdir(parents=True)
    (cache / "npm" / "wllama-3.13.0.tgz").write_bytes(b"something else")
    with pytest.raises(HubError, match="its SHA-512 is") as refused:
        wllama()
    assert refused.value.hint == "remove the file: the next run fetches it again"


def test_a_folder_is_compared_file_by_file(tmp_path: Path, program: Wllama) -> None:
    for name, path in (("esm/index.js", "index.js"), ("esm/wasm/wllama.wasm", "wllama.wasm"), ("LICENCE", "LICENCE")):
        file = tmp_path / "unpacked" / "package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(program.files[f"wllama/{path}"])
    assert wllama(tmp_path / "unpacked").files == program.files
    changed = bytearray((tmp_path / "unpacked" / "package" / "esm" / "index.js").read_bytes())
    changed[1000] ^= 1
    (tmp_path / "unpacked" / "package" / "esm" / "index.js").write_bytes(changed)
    with pytest.raises(HubError, match=r"esm/index\.js is not that of @wllama/wllama@3\.13\.0: its SHA-256"):
        wllama(tmp_path / "unpacked")
    with pytest.raises(HubError, match="there is no @wllama/wllama in this folder"):
        wllama(tmp_path / "bin")
