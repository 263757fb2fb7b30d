"""Nothing of the user's own, small models, a store, and a registry server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_between import Between, between
from registry_house import Models, Server, hub, let_go, running, write_folder

from hub_registry import Store


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the user's own: no store, policy, credentials or proxy; views are let go at the end."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("ORAS_", "DOCKER_", "HUB_TRUST")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HUB_REGISTRY", str(tmp_path / "registry"))
    yield
    let_go()


@pytest.fixture
def store() -> Store:
    return Store.make()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    root = tmp_path_factory.mktemp("models")
    made = Models(write_folder(root / "tiny"), root / "tiny.apr", root / "other.apr")
    for source, target in ((made.folder, made.apr), (write_folder(root / "second", 5), made.other)):
        ran = hub("convert", source, target)
        assert ran.code == 0, ran
    return made


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def broken(server: Server) -> Iterator[Between]:
    """The registry server behind what breaks."""
    with between(server.port) as one:
        yield one
