"""Signatures inside a model's own file: APR v1, as the reference library signed it."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hub.cli import main
from hub.errors import BadSignature
from hub.signing import KeyTrust, PrivateKey, PublicKey, load_policy, verify_model

FIXTURES = Path(__file__).parents[2] / "plugins" / "apr" / "tests" / "fixtures"
TOLD = next(e for e in json.loads((FIXTURES / "manifest.json").read_text())["fixtures"] if e["file"] == "v1_signed.apr")
KEY = PublicKey("ed25519", Ed25519PublicKey.from_public_bytes(bytes.fromhex(TOLD["public_key_hex"])))
SEED = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(TOLD["seed_hex"]))


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    path = tmp_path / "model.apr"
    path.write_bytes((FIXTURES / "v1_signed.apr").read_bytes())
    return path


def trusted(*keys: PublicKey) -> KeyTrust:
    return KeyTrust(keys[0], keys[1:])


def checksummed(data: bytes | bytearray) -> bytes:
    return bytes(data[:-4]) + zlib.crc32(data[:-4]).to_bytes(4, "little")


def test_a_signature_of_the_reference_library_verifies(signed: Path) -> None:
    done = verify_model(signed, trusted(KEY))
    assert done.key == KEY
    assert done.statement.called == "golden-v1"  # the name in the signed metadata, not that of the file
    done.seal.check()


def test_it_is_held_to_the_key_that_is_given_not_to_the_one_in_the_file(signed: Path) -> None:
    """Whoever changes the file can sign it anew with a key of their own and name that one."""
    other = Ed25519PrivateKey.generate()
    data = bytearray(signed.read_bytes())
    data[40] ^= 1
    message = bytes(data[: -4 - 96])
    data[-100:-4] = other.sign(message) + other.public_key().public_bytes_raw()
    signed.write_bytes(checksummed(data))
    with pytest.raises(BadSignature, match="none of the keys given"):
        verify_model(signed, trusted(KEY))
    assert verify_model(signed, trusted(PrivateKey("ed25519", other).public)).key.type == "ed25519"


@pytest.mark.parametrize("at", [6, 22, 33, 120, 180, -100])
@pytest.mark.parametrize("sum_up", [False, True])
def test_no_byte_can_change(signed: Path, at: int, sum_up: bool) -> None:
    data = bytearray(signed.read_bytes())
    data[at] ^= 1
    signed.write_bytes(checksummed(data) if sum_up else data)
    with pytest.raises(BadSignature):
        verify_model(signed, trusted(KEY))


def test_what_it_names_as_its_key_is_not_signed_and_not_believed(signed: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[-5] ^= 1  # a byte of the public key
    signed.write_bytes(checksummed(data))
    assert verify_model(signed, trusted(KEY)).key == KEY


def test_a_signature_that_is_stripped_is_none(signed: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[21] &= ~2 & 0xFF
    signed.write_bytes(checksummed(data[:-100] + data[-4:]))
    with pytest.raises(BadSignature, match="is not signed"):
        verify_model(signed, trusted(KEY))
    data[21] |= 2
    signed.write_bytes(checksummed(data[:-100] + data[-4:]))
    with pytest.raises(BadSignature, match="takes 96 bytes"):
        verify_model(signed, trusted(KEY))


def test_other_kinds_of_keys_and_other_names_are_refused(signed: Path) -> None:
    with pytest.raises(BadSignature, match="none of the keys"):
        verify_model(signed, trusted(PrivateKey.generate("p256").public))
    assert verify_model(signed, trusted(KEY), name="golden-v1").model == signed
    with pytest.raises(BadSignature, match="was signed as 'golden-v1'"):
        verify_model(signed, trusted(KEY), name="acme/other")


def test_a_signature_beside_it_goes_first(signed: Path) -> None:
    signed.with_name("model.apr.sig").write_bytes(b"{}")
    with pytest.raises(Exception, match="bundle"):
        verify_model(signed, trusted(KEY))


@pytest.mark.parametrize(("names", "admitted"), [("golden-*", True), ("model*", False)])
def test_a_policy_judges_the_name_inside_the_file(signed: Path, tmp_path: Path, names: str, admitted: bool) -> None:
    (tmp_path / "key.pub").write_bytes(KEY.pem)
    (tmp_path / "trust.toml").write_text(f'[[signer]]\nname = "golden"\nkey = "key.pub"\nmodels = ["{names}"]\n')
    policy = load_policy(tmp_path / "trust.toml")
    if admitted:
        assert verify_model(signed, policy).signer == "golden"
    else:
        with pytest.raises(BadSignature):
            verify_model(signed, policy)


def test_the_command_verifies_it(signed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key.pub").write_bytes(KEY.pem)
    assert main(["verify", str(signed), "--key", str(tmp_path / "key.pub")]) == 0
    assert "golden-v1" in capsys.readouterr().out
    assert main(["inspect", str(signed)]) == 0
    said = f"model.apr says 'golden-v1', by key {KEY.fingerprint[:16]} (ed25519); NOT verified: hub verify does that"
    assert f"Signature: {said}" in capsys.readouterr().out
    plain = tmp_path / "plain.apr"
    plain.write_bytes((FIXTURES / "v1_golden.apr").read_bytes())
    assert main(["inspect", str(plain)]) == 0
    assert "Signature" not in capsys.readouterr().out
    assert main(["verify", str(plain), "--key", str(tmp_path / "key.pub")]) == 1
    assert "is not signed" in capsys.readouterr().err
