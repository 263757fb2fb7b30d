from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from hub.errors import DamagedFile, HubError, TargetExists, UnsupportedFile
from hub.signing import PrivateKey, PublicKey, write_pair


def test_a_key_comes_back_from_its_file_and_verifies_what_it_signed(key: PrivateKey, tmp_path: Path) -> None:
    public = key.save(tmp_path / "key")
    back, verifier = PrivateKey.load(tmp_path / "key"), PublicKey.load(public)
    assert (back.type, verifier.type, verifier) == (key.type, key.type, key.public)
    signature = back.sign(b"message")
    assert verifier.verifies(signature, b"message")
    assert not verifier.verifies(signature, b"massage")
    assert not verifier.verifies(b"", b"message")
    assert not PrivateKey.generate(key.type).public.verifies(signature, b"message")


def test_openssl_reads_the_files(key: PrivateKey, tmp_path: Path) -> None:
    public = key.save(tmp_path / "key", b"secret")
    done = subprocess.run(
        ["openssl", "pkey", "-in", tmp_path / "key", "-passin", "pass:secret", "-pubout"],
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == public.read_bytes()


def test_a_private_key_is_readable_by_its_owner_alone_from_the_start(
    p256: PrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    before = os.umask(0)
    opened = os.open

    def watching(path: Path, *args: int, **named: int) -> int:
        fd = opened(path, *args, **named)
        modes.append((Path(path).name, stat.S_IMODE(os.fstat(fd).st_mode), os.fstat(fd).st_size))
        return fd

    monkeypatch.setattr(os, "open", watching)
    try:
        p256.save(tmp_path / "key")
    finally:
        os.umask(before)
    assert modes == [("key", 0o600, 0), ("key.pub", 0o644, 0)]


@pytest.mark.parametrize("taken", ["key", "key.pub"])
def test_a_key_overwrites_nothing_not_even_through_a_link(p256: PrivateKey, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TargetExists, match=rf"{taken}: exists already"):
        p256.save(tmp_path / "key")
    assert sorted(p.name for p in tmp_path.iterdir()) == [taken]


def test_a_key_overwrites_nothing_that_appears_meanwhile(
    p256: PrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.pub").write_text("somebody's")
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(TargetExists, match=r"key.pub: exists already"):
        p256.save(tmp_path / "key")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("key.pub", "somebody's")]


def test_an_encrypted_key_needs_its_passphrase(ed25519: PrivateKey, tmp_path: Path) -> None:
    file = tmp_path / "key"
    ed25519.save(file, b"open sesame")
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in file.read_bytes()
    assert PrivateKey.load(file, lambda: b"open sesame").public == ed25519.public
    with pytest.raises(HubError, match="encrypted and no passphrase was given"):
        PrivateKey.load(file)
    with pytest.raises(HubError, match="passphrase is wrong"):
        PrivateKey.load(file, lambda: b"open barley")


def test_a_passphrase_is_not_asked_for_a_key_without(ed25519: PrivateKey, tmp_path: Path) -> None:
    ed25519.save(tmp_path / "key")

    def asked() -> bytes:
        raise AssertionError("asked for a passphrase")

    assert PrivateKey.load(tmp_path / "key", asked).public == ed25519.public


def test_what_is_no_key_is_refused_with_a_reason(p256: PrivateKey, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

    public = p256.save(tmp_path / "key")
    with pytest.raises(UnsupportedFile, match="is a private key where a public one belongs; .*key.pub"):
        PublicKey.load(tmp_path / "key")
    with pytest.raises(UnsupportedFile, match="is a public key where a private one belongs"):
        PrivateKey.load(public)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DamagedFile, match="no private key"):
        PrivateKey.load(tmp_path / "text")
    with pytest.raises(DamagedFile, match="no public key"):
        PublicKey.load(tmp_path / "text")
    (tmp_path / "large").write_bytes(bytes(70_000))
    with pytest.raises(DamagedFile, match="larger than"):
        PublicKey.load(tmp_path / "large")
    with pytest.raises(HubError, match="cannot be read"):
        PublicKey.load(tmp_path / "absent")
    kinds = {
        "RSA": rsa.generate_private_key(65537, 2048),
        "X25519": x25519.X25519PrivateKey.generate(),
        "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    }
    for name, other in kinds.items():
        written = write_pair(other, tmp_path / name)
        with pytest.raises(UnsupportedFile, match=f"of the kind {name}"):
            PublicKey.load(written)
        with pytest.raises(UnsupportedFile, match=f"of the kind {name}"):
            PrivateKey.load(tmp_path / name)
