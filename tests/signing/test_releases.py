"""What earlier releases signed verifies for ever (scripts/release_signatures.py made it)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hub import __version__
from hub.errors import BadSignature
from hub.signing import KeyTrust, PublicKey, verify_model
from hub.signing.manifest import compare

RELEASES = Path(__file__).parent / "releases"
KEYS = sorted(RELEASES.glob("*/*/key.pub"))
MODELS = ("folder", "single.safetensors", "split/model.safetensors.index.json")


def test_this_release_is_among_them() -> None:
    assert {key.parent.name for key in (RELEASES / __version__).glob("*/key.pub")} == {
        "p256", "p384", "p521", "ed25519",
    }  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("key", KEYS, ids=lambda k: f"{k.parents[1].name}-{k.parent.name}")
def test_a_signature_of_a_release_verifies(key: Path, model: str, tmp_path: Path) -> None:
    copy = shutil.copytree(key.parent, tmp_path / "copy")
    trust = KeyTrust(PublicKey.load(key))
    seen = verify_model(copy / model, trust, name=f"hub/{key.parent.name}")
    assert seen.statement.sequence == MODELS.index(model)
    assert seen.statement.manifest is not None
    for other in MODELS:
        assert compare(seen.statement.manifest, copy / other).same
    changed = next(file for file in (copy / model).parent.glob("**/*.safetensors"))
    for weights in (copy / model).parent.glob("**/*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    with pytest.raises(BadSignature, match=rf"{changed.suffix} is changed"):
        verify_model(copy / model, trust)
