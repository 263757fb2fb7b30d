"""Signatures to and from `model_signing`, the reference tool of OpenSSF Model Signing."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.errors import BadSignature
from hub.signing import KeyTrust, PrivateKey, PublicKey, sign_model, verify_model

Tool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tool() -> Tool:
    """The reference tool: `tool("verify", "key", model, ...)`."""
    for module, package in (("model_signing", "model-signing"), ("OpenSSL", "pyOpenSSL")):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{package} is not installed: pip install model-signing pyOpenSSL")

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "model_signing", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def accepts(tool: Tool, model: Path, signature: Path, public: Path, *more: str) -> bool:
    done = tool("verify", "key", model, "--signature", signature, "--public_key", public, *more)
    assert ("Verification succeeded" in done.stdout) == (done.returncode == 0), done
    return done.returncode == 0


@pytest.mark.parametrize("shape", ["file", "folder", "parts"])
def test_the_tool_verifies_what_the_hub_signs(tool: Tool, models: Any, key_file: Path, shape: str) -> None:
    signed = {"file": models.file, "folder": models.folder, "parts": models.parts[0]}[shape]
    if shape == "folder":
        (models.folder / ".git").mkdir()
        (models.folder / ".git" / "HEAD").write_text("ref")
    signature = sign_model(
        signed, PrivateKey.load(key_file), name="org/tiny", sequence=1, describe=lambda: {"schema": "hub.manifest/1"}
    ).signature
    public = key_file.with_name("signer.pem.pub")
    model, more = (signed.parent, ["--ignore_unsigned_files"]) if shape == "parts" else (signed, [])
    assert accepts(tool, model, signature, public, *more)
    target = models.folder / "config.json" if shape == "folder" else signed
    target.write_bytes(target.read_bytes() + b" ")
    assert not accepts(tool, model, signature, public, *more)


def test_the_hub_verifies_what_the_tool_signs(tool: Tool, models: Any, key_file: Path) -> None:
    trust = KeyTrust(PublicKey.load(key_file.with_name("signer.pem.pub")))
    (models.folder / ".gitattributes").write_text("*.bin filter=lfs")
    for model, signature in ((models.folder, models.folder / "model.sig"), (models.file, Path(f"{models.file}.sig"))):
        done = tool("sign", "key", model, "--signature", signature, "--private_key", key_file)
        assert "Signing succeeded" in done.stdout, done
        seen = verify_model(model, trust)
        assert (seen.statement.called, seen.statement.name) == (model.name, None)
        assert len(seen.seal.files) == len(seen.statement.files)
    (models.folder / "extra.json").touch()
    with pytest.raises(BadSignature, match="extra.json is not signed"):
        verify_model(models.folder, trust)


def test_a_key_with_a_passphrase_goes_both_ways(tool: Tool, models: Any, p256: PrivateKey, tmp_path: Path) -> None:
    public = p256.save(tmp_path / "key", b"open sesame")
    signature = Path(f"{models.file}.sig")
    args = ("--signature", signature, "--private_key", tmp_path / "key", "--password", "open sesame")
    done = tool("sign", "key", models.file, *args)
    if "Signing succeeded" not in done.stdout:  # model-signing 1.1.1 passes text where bytes are needed
        assert "bytes" in done.stderr
        return
    assert verify_model(models.file, KeyTrust(PublicKey.load(public)))


def test_the_tool_refuses_ed25519(tool: Tool, models: Any, ed25519: PrivateKey, tmp_path: Path) -> None:
    public = ed25519.save(tmp_path / "key")
    assert not accepts(tool, models.file, sign_model(models.file, ed25519).signature, public)


KEPT = Path(__file__).parent / "reference"


@pytest.mark.parametrize("model", ["folder", "single.bin"])
@pytest.mark.parametrize("made", sorted(KEPT.iterdir()), ids=lambda p: p.name)
def test_what_the_tool_signed_once_still_verifies(made: Path, model: str, tmp_path: Path) -> None:
    copy = shutil.copytree(made, tmp_path / "copy")
    trust = KeyTrust(PublicKey.load(copy / "key.pub"))
    assert verify_model(copy / model, trust).statement.files.keys() == (
        {"a.bin", "b/c.bin"} if model == "folder" else {"."}
    )
    weights = copy / "folder" / "b" / "c.bin" if model == "folder" else copy / model
    weights.write_bytes(b"x")
    with pytest.raises(BadSignature, match="is changed"):
        verify_model(copy / model, trust)


def test_a_single_file_may_be_named_as_the_specification_says(models: Any, p256: PrivateKey) -> None:
    """Section 6.1.2 of OpenSSF Model Signing 1.0 has the base name where the tool has a dot."""
    from hub.signing import IN_TOTO, Statement, envelope

    signature = sign_model(models.file, p256).signature
    document = json.loads(Statement("tiny.gguf", {"tiny.gguf": digest(models.file)}).payload())
    signature.write_bytes(envelope(IN_TOTO, json.dumps(document).encode(), p256))
    assert verify_model(models.file, KeyTrust(p256.public))
    other = models.file.with_name("other.gguf")
    models.file.rename(other)
    with pytest.raises(BadSignature, match="which has no such file"):
        verify_model(other, KeyTrust(p256.public), signature)


def digest(file: Path) -> str:
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()
