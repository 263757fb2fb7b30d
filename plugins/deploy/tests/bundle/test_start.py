"""Where a bundle starts, and what it keeps."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub_deploy.bundle import _boot, _elf, _unpack

Machine = Any  # conftest's
CopyOf = Callable[[bytes], Path]


def contents(app: Path) -> dict[str, Any]:
    with zipfile.ZipFile(app) as archive:
        found: dict[str, Any] = json.loads(archive.read(_boot.CONTENTS))
    return found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"system": "plan9"}, "was made for plan9"),
        ({"machine": "sparc"}, "sparc"),
        ({"glibc": "99.1"}, "needs glibc 99.1 or later, this is"),
        ({"cpu": ["avx", "avx4096"]}, "needs a processor with avx4096"),
        ({"libraries": ["libnowhere.so.7"]}, "needs the system's libnowhere.so.7"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.skipif(sys.platform != "linux", reason="the table is about Linux")
def test_another_machine_is_told_so(app: Path, change: dict[str, Any], said: str) -> None:
    runs_on = contents(app)["runs_on"]
    _boot.fit(runs_on)
    with pytest.raises(_unpack.Refused, match=said) as raised:
        _boot.fit(runs_on | change)
    assert raised.value.code == 2


@pytest.mark.parametrize("wanted", [{"python": "3.99"}, {"implementation": "pypy"}])
def test_another_python_is_told_so_before_anything_else(wanted: dict[str, str]) -> None:
    text = _boot.main_of({"python": "{}.{}".format(*sys.version_info[:2]), "implementation": "cpython"} | wanted)
    ran = subprocess.run([sys.executable, "-"], input=text, capture_output=True, check=False)
    assert ran.returncode == 2
    assert b"needs Python" in ran.stderr
    assert b"this is" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_without_python_the_script_says_what_it_needs(app: Path, tmp_path: Path) -> None:
    for name in ("wc", "tr"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    ran = subprocess.run(
        ["/bin/sh", app, "run"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "needs Python {}.{}, which is not on the PATH".format(*sys.version_info[:2]) in ran.stderr


def test_the_runtime_is_unpacked_once_and_said(app: Path, other_machine: Machine) -> None:
    first, second = (other_machine.run(app, "inspect") for _ in range(2))
    assert "unpacking what runs the model into" in first.stderr
    assert (first.returncode, second.returncode, second.stderr) == (0, 0, "")
    (home,) = (p for p in other_machine.cache.iterdir() if p.is_dir())
    assert home.name == contents(app)["runtime"]["digest"][:32]
    assert other_machine.cache.stat().st_mode & 0o077 == 0
    assert not list(home.rglob("__pycache__"))


def test_what_was_changed_in_the_cache_is_unpacked_anew(app: Path, other_machine: Machine) -> None:
    assert other_machine.run(app, "inspect").returncode == 0
    (home,) = (p for p in other_machine.cache.iterdir() if p.is_dir())
    module, extra = home / "hub" / "errors.pyc", home / "sitecustomize.py"
    whole = module.read_bytes()
    for harm in (
        lambda: module.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1])),
        module.unlink,
        lambda: extra.write_text("raise SystemExit(9)"),
    ):
        harm()
        ran = other_machine.run(app, "inspect")
        assert ran.returncode == 0
        assert "is not what was unpacked there; unpacking it anew" in ran.stderr
        assert module.read_bytes() == whole
        assert not extra.exists()
    assert [p.name for p in other_machine.cache.iterdir() if p.name.startswith(".")] == []


def test_the_cache_is_bounded_and_what_runs_stays(app: Path, other_machine: Machine) -> None:
    other_machine.cache.mkdir(parents=True)
    for age in range(5):
        (other_machine.cache / f"{age:032}").mkdir()
        lock = other_machine.cache / f"{age:032}.lock"
        lock.touch()
        os.utime(lock, (1000 - age, 1000 - age))
    with (other_machine.cache / f"{4:032}.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert other_machine.run(app, "inspect").returncode == 0
    left = sorted(p.name for p in other_machine.cache.iterdir() if p.is_dir())
    assert left == sorted([f"{0:032}", f"{1:032}", f"{4:032}", contents(app)["runtime"]["digest"][:32]])


def test_two_first_starts_at_once_agree(app: Path, other_machine: Machine) -> None:
    command = [str(app), "verify"]
    both = [
        subprocess.Popen(command, env=other_machine.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120) and process.returncode for process in both] == [0, 0]
    assert len([p for p in other_machine.cache.iterdir() if p.is_dir()]) == 1


def test_without_a_cache_it_runs_all_the_same(app: Path, other_machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    ran = other_machine.run(app, "inspect", HUB_CACHE=str(tmp_path / "file"), TMPDIR=str(tmp_path / "tmp"))
    assert ran.returncode == 0
    assert "for this run alone" in ran.stderr
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has ELF")
def test_what_libraries_need_is_what_readelf_says() -> None:
    numpy = pytest.importorskip("numpy._core._multiarray_umath")
    try:
        said = subprocess.run(["readelf", "-dV", numpy.__file__], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        pytest.skip("readelf is not installed")
    data = Path(numpy.__file__).read_bytes()
    needed = [line.partition("[")[2].rstrip("]") for line in said.splitlines() if "(NEEDED)" in line]
    assert _elf.needed(data) == needed != []
    assert "GLIBC_{}.{}".format(*_elf.glibc(data)) in said
    assert _elf.needed(b"no library") == []
