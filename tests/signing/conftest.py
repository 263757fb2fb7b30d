"""Keys and a small model for the tests: made once, since that takes a while."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

import hub
from hub.cli import main
from hub.signing import PrivateKey


@pytest.fixture(scope="session")
def p256() -> PrivateKey:
    """A P-256 key."""
    return PrivateKey.generate("p256")


@pytest.fixture(scope="session")
def ed25519() -> PrivateKey:
    """An Ed25519 key."""
    return PrivateKey.generate("ed25519")


@pytest.fixture(params=["p256", "p384", "p521", "ed25519"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    """A key of each type."""
    return PrivateKey.generate(request.param)


@pytest.fixture
def key_file(p256: PrivateKey, tmp_path: Path) -> Path:
    """A P-256 key on the disk; the public one is beside it, with .pub behind its name."""
    file = tmp_path / "keys" / "signer.pem"
    file.parent.mkdir()
    p256.save(file)
    return file


@dataclass(frozen=True)
class Stock:
    """One small model as a file, as a folder, and as a file in parts (any of which opens all)."""

    file: Path
    folder: Path
    parts: tuple[Path, ...]


@pytest.fixture(scope="session")
def stock(make_gguf: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """The model, made once; tests work on copies (`models`)."""
    at = tmp_path_factory.mktemp("stock")
    file = make_gguf(at / "tiny.gguf")
    assert main(["convert", str(file), str(at / "tiny")]) == 0
    (at / "split").mkdir()
    assert main(["convert", str(file), str(at / "split" / "tiny.gguf"), "--shard-size", "20KB"]) == 0
    parts = tuple(sorted((at / "split").iterdir()))
    assert len(parts) > 2
    return Stock(file, at / "tiny", parts)


@pytest.fixture
def models(stock: Stock, tmp_path: Path) -> Stock:
    """The model in all three shapes, in `tmp_path`, to be signed and tampered with."""
    shutil.copytree(stock.parts[0].parent, tmp_path / "split")
    return Stock(
        Path(shutil.copy2(stock.file, tmp_path)),
        shutil.copytree(stock.folder, tmp_path / stock.folder.name),
        tuple(tmp_path / "split" / part.name for part in stock.parts),
    )


@dataclass(frozen=True)
class Ran:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ran]:
    """The program, run in this process by a user without a policy: `run("verify", path, "--key", pub)`."""
    monkeypatch.delenv("HUB_TRUST", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def program(*args: object) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(a) for a in args])
        return Ran(code, out.getvalue(), err.getvalue())

    return program


@pytest.fixture(scope="session")
def schema() -> Callable[[str], dict[str, Any]]:
    """A JSON schema of the hub by name."""
    folder = Path(hub.__file__).parent / "schemas"
    return lambda name: cast("dict[str, Any]", json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
