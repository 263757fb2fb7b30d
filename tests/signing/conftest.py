"""Keys for the tests: made once, since that takes a while."""

from __future__ import annotations

from pathlib import Path

import pytest

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
