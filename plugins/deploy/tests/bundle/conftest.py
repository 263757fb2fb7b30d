"""One bundle of a tiny model for all tests, and a machine that has Python alone."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import hub_deploy
from hub.plugins import registry

ROOT = Path(__file__).parents[4]
SCHEMAS = Path(hub_deploy.__file__).parent / "schemas"


@pytest.fixture(scope="session")
def llama() -> None:
    """Skips where no bundle can be made: without llama-cpp-python, hub-runtime, or on Windows."""
    if sys.platform == "win32":
        pytest.skip("bundles are for POSIX systems")
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    try:
        importlib.metadata.distribution("hub-runtime")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("hub-runtime is not installed")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny llama of hub-runtime's tests."""
    pytest.importorskip("gguf")
    spec = importlib.util.spec_from_file_location("runtime_conftest", ROOT / "plugins/runtime/tests/conftest.py")
    assert spec is not None
    assert spec.loader is not None
    shared = importlib.util.module_from_spec(spec)
    sys.modules["runtime_conftest"] = shared  # its dataclasses look for their module
    spec.loader.exec_module(shared)
    made: Path = shared.write_tiny(tmp_path_factory.mktemp("tiny") / "tiny-llama.gguf")
    return made


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's own: no policy, no cache."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.delenv("HUB_TRUST", raising=False)
    registry.cache_clear()


@dataclass
class Machine:
    """A machine with Python alone: a virtual environment without pip or packages, an empty home, no variables."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        return self.folder / "env" / "bin" / "python"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "hub" / "bundles"

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{self.python.parent}:/usr/bin:/bin", "HOME": str(self.home), **self.variables, **more}

    def run(self, *command: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(c) for c in command], env=self.environment(**more), cwd=self.folder, capture_output=True, text=True,
            timeout=120, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """One for all tests, so that the runtime is unpacked once."""
    made = Machine(tmp_path_factory.mktemp("machine"))
    venv.create(made.folder / "env", with_pip=False, symlinks=True)
    made.home.mkdir()
    return made


@pytest.fixture
def other_machine(machine: Machine, tmp_path: Path) -> Machine:
    """The same Python, another empty home."""
    made = Machine(tmp_path / "other")
    made.home.mkdir(parents=True)
    (made.folder / "env").symlink_to(machine.folder / "env")
    return made


@pytest.fixture(scope="session")
def app(llama: None, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  # it skips
    """The bundle of the tiny model."""
    from hub_deploy.bundle import Order, bundle

    return bundle(Order(tiny, tmp_path_factory.mktemp("bundle") / "app")).path


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[bytes], Path]:
    """A program that holds other bytes than the bundle."""

    def made(data: bytes) -> Path:
        path = tmp_path / "copy"
        path.write_bytes(data)
        path.chmod(0o755)
        return path

    return made


@pytest.fixture
def document() -> Callable[..., Any]:
    """`document(name, text)`: the JSON document `text`, held against the schema `name`."""

    def checked(name: str, text: str) -> Any:
        found = json.loads(text)
        schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(found)
        assert found["schema"] == f"hub.{name}/1"
        return found

    return checked
