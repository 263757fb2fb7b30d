"""The commands as a user runs them: exit codes, what they say, and what they print for programs."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

Run = Callable[..., Any]
Schema = Callable[[str], dict[str, Any]]


@pytest.fixture
def keys(run: Run, tmp_path: Path) -> Path:
    """A pair made by the program; the public one is beside it."""
    assert run("keygen", "-o", tmp_path / "key").code == 0
    return tmp_path / "key"


def checked(run: Run, schema: Schema, *args: object) -> tuple[int, Any]:
    ran = run(*args, "--json")
    document = json.loads(ran.out)
    jsonschema.Draft202012Validator(schema(document["schema"].split(".")[1].split("/")[0])).validate(document)
    return ran.code, document


@pytest.mark.parametrize("type_", ["p256", "ed25519"])
def test_keys_are_made_and_used(run: Run, models: Any, tmp_path: Path, type_: str) -> None:
    made = run("keygen", "--type", type_, "-o", tmp_path / "k")
    assert made.code == 0
    fingerprint = made.out.split("Fingerprint: ")[1].strip()
    assert f"Private key: {tmp_path / 'k'} ({type_}, not encrypted)" in made.out
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    for model in (models.file, models.folder, models.parts[0]):
        signed = run("sign", model, "--key", tmp_path / "k", "--name", "org/tiny", "--sequence", 4)
        assert signed.code == 0, signed
        assert ("outside the key types of OpenSSF Model Signing 1.0" in signed.out) == (type_ == "ed25519")
        seen = run("verify", model, "--key", tmp_path / "k.pub")
        assert (seen.code, seen.err) == (0, "")
        for line in (f"Verified: {model}, ", f"Key: {type_} {fingerprint}", "Name: org/tiny", "Sequence: 4"):
            assert line in seen.out


def test_a_key_that_decrypts_does_not_sign(run: Run, models: Any, tmp_path: Path) -> None:
    assert run("keygen", "--type", "x25519", "-o", tmp_path / "k").code == 0
    ran = run("sign", models.file, "--key", tmp_path / "k")
    assert ran.code == 2
    assert "a key of the kind X25519; signatures are of ed25519" in ran.err


def test_a_passphrase_from_a_file_or_the_environment(
    run: Run, models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    made = run("keygen", "-o", tmp_path / "k", "--passphrase-file", secret)
    assert "(p256, encrypted)" in made.out
    assert b"ENCRYPTED" in (tmp_path / "k").read_bytes()
    assert "encrypted and no passphrase was given" in run("sign", models.file, "--key", tmp_path / "k").err
    assert run("sign", models.file, "--key", tmp_path / "k", "--passphrase-file", secret).code == 0
    monkeypatch.setenv("HUB_KEY_PASSPHRASE", "open sesame")
    assert run("sign", models.file, "--key", tmp_path / "k", "--force").code == 0
    monkeypatch.setenv("HUB_KEY_PASSPHRASE", "wrong")
    assert run("sign", models.file, "--key", tmp_path / "k", "--force").code == 2


def test_keys_and_signatures_are_not_overwritten(run: Run, keys: Path, models: Any) -> None:
    before = keys.read_bytes()
    ran = run("keygen", "-o", keys)
    assert ran.code == 2
    assert "exists already, and a key is never overwritten" in ran.err
    assert keys.read_bytes() == before
    assert run("sign", models.file, "--key", keys).code == 0
    again = run("sign", models.file, "--key", keys)
    assert (again.code, "--force replaces it" in again.err) == (2, True)
    assert run("sign", models.file, "--key", keys, "--force").code == 0


def test_documents_are_what_their_schemas_say(run: Run, keys: Path, models: Any, schema: Schema) -> None:
    code, signed = checked(run, schema, "sign", models.folder, "--key", keys, "--name", "org/tiny")
    assert (code, signed["name"], signed["type"], signed["ignored"]) == (0, "org/tiny", "p256", ["model.sig"])
    assert signed["tensors"] > 5
    code, seen = checked(run, schema, "verify", models.folder, "--key", f"{keys}.pub")
    assert (code, seen["verified"], seen["files"], seen["bytes"]) == (0, True, signed["files"], signed["bytes"])
    (models.folder / "config.json").unlink()
    (models.folder / "more").touch()
    code, seen = checked(run, schema, "verify", models.folder, "--key", f"{keys}.pub")
    assert (code, seen["verified"]) == (1, False)
    assert seen["problems"] == ["more is not signed", "config.json is missing"]
    bundle = json.loads((models.folder / "model.sig").read_text())
    jsonschema.Draft202012Validator(schema("bundle")).validate(bundle)


def test_exit_codes(run: Run, keys: Path, models: Any, tmp_path: Path) -> None:
    public = f"{keys}.pub"
    unsigned = run("verify", models.file, "--key", public)
    assert (unsigned.code, unsigned.out) == (1, "")
    assert unsigned.err == f"hub: error: {models.file}: is not signed: there is no tiny.gguf.sig or model.sig\n"
    assert run("sign", models.file, "--key", keys, "-o", tmp_path / "here.sig").code == 0
    assert run("verify", models.file, "--key", public, "--sig", tmp_path / "here.sig").code == 0
    assert run("verify", models.file, "--key", public, "--sig", tmp_path / "here.sig", "--name", "x").code == 1
    for args, message in (
        (("verify", models.file), "--key or --policy says whom to believe"),
        (("verify", models.file, "--key", public, "--policy", "x"), "both say whom to believe"),
        (("verify", models.file, "--key", public, "--allow-rollback"), "--allow-rollback has no effect with --key"),
        (("verify", models.file, "--key", public, "--sig", tmp_path / "gone"), "no such signature"),
        (("verify", models.file, "--key", tmp_path / "gone"), "the key cannot be read"),
        (("verify", models.file, "--key", keys), "is a private key"),
        (("verify", tmp_path / "gone", "--key", public), "no such file or folder"),
        (("verify", models.file, "--policy", tmp_path / "gone"), "no such policy"),
        (("verify", models.file, "--key", public, "--against", "a", "--sig", "b"), "--sig has no effect"),
        (("sign", tmp_path / "gone", "--key", keys), "no such file or folder"),
        (("sign", models.file, "--key", public), "is a public key"),
        (("sign", models.file, "--key", keys, "--name", " "), "a name is not empty"),
        (("sign", models.folder, "--key", models.folder / "key"), "the private key lies in the folder that is signed"),
        (("sign", models.file, "--key", keys, "--ignore", "x"), "--ignore has no effect on a file"),
        (("sign", models.folder, "--key", keys, "--ignore", "x"), "--ignore x has no effect: there is no such file"),
        (("sign", models.file, "--key", keys, "-o", tmp_path / "no" / "x.sig"), "cannot be written"),
        (("keygen", "--type", "rsa", "-o", tmp_path / "new"), "--type is one of p256, ed25519, x25519"),
    ):
        ran = run(*args)
        assert ran.code == 2, (args, ran)
        assert message in ran.err, (args, ran)
    assert not list(models.file.parent.glob(".hub-*"))


def test_the_same_weights_in_another_format(run: Run, keys: Path, models: Any, tmp_path: Path, schema: Schema) -> None:
    assert run("sign", models.folder, "--key", keys).code == 0
    signature, public = models.folder / "model.sig", f"{keys}.pub"
    code, seen = checked(run, schema, "verify", models.file, "--against", signature, "--key", public)
    assert (code, seen["same"], seen["departures"]) == (0, True, [])
    assert "the same weights" in run("verify", models.file, "--against", signature, "--key", public).out
    assert run("convert", models.file, tmp_path / "half.gguf", "--encode", "f16").code == 0
    code, seen = checked(run, schema, "verify", tmp_path / "half.gguf", "--against", signature, "--key", public)
    assert (code, seen["same"]) == (1, False)
    assert run("keygen", "-o", tmp_path / "other").code == 0
    other = run("verify", models.file, "--against", signature, "--key", tmp_path / "other.pub")
    assert (other.code, "not signed by the key" in other.err) == (1, True)


def test_what_no_plugin_reads_is_signed_all_the_same(run: Run, keys: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "rows.csv").write_text("1,2\n")
    signed = run("sign", data, "--key", keys)
    assert signed.code == 0
    assert "no plugin reads it" in signed.out
    assert run("verify", data, "--key", f"{keys}.pub").code == 0
    none = run("verify", data, "--key", f"{keys}.pub", "--against", data / "model.sig")
    assert (none.code, "names files and no tensors" in none.err) == (1, True)


def policy(folder: Path, public: str, head: str = "") -> Path:
    file = folder / "trust.toml"
    file.write_text(f'{head}[[signer]]\nname = "Lab"\nkey = "{public}"\nmodels = ["lab/*"]\n')
    return file


def test_a_conversion_honours_the_policy(
    run: Run, keys: Path, models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_TRUST", str(policy(tmp_path, f"{keys}.pub", "require = true\n")))
    target = tmp_path / "out.apr"
    unsigned = run("convert", models.file, target)
    assert (unsigned.code, target.exists()) == (1, False)
    assert f"is not signed: there is no tiny.gguf.sig or model.sig; {tmp_path}/trust.toml requires" in unsigned.err
    assert "[signing]" in unsigned.err
    assert run("sign", models.file, "--key", keys, "--name", "elsewhere/tiny").code == 0
    assert "Lab may not sign 'elsewhere/tiny'" in run("convert", models.file, target).err
    assert run("sign", models.file, "--key", keys, "--name", "lab/tiny", "--sequence", 2, "--force").code == 0
    assert run("convert", models.file, target).code == 0
    assert run("sign", models.file, "--key", keys, "--name", "lab/tiny", "--sequence", 1, "--force").code == 0
    older = run("convert", models.file, target, "--force")
    assert (older.code, "has sequence 1, and 2 was verified before" in older.err) == (1, True)
    assert run("verify", models.file, "--allow-rollback").code == 0
    assert run("convert", models.file, target, "--force").code == 0
    data = bytearray(models.file.read_bytes())
    data[-1] ^= 1
    models.file.write_bytes(data)
    assert run("convert", models.file, target, "--force").code == 1
    assert run("inspect", models.file).code == 0, "looking is not loading"


def test_without_require_an_unsigned_model_passes_and_a_bad_signature_does_not(
    run: Run, keys: Path, models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_TRUST", str(policy(tmp_path, f"{keys}.pub")))
    assert run("convert", models.file, tmp_path / "out.apr").code == 0
    assert run("verify", models.file).code == 1, "who asks for a signature is told that there is none"
    assert run("keygen", "-o", tmp_path / "stranger").code == 0
    assert run("sign", models.file, "--key", tmp_path / "stranger", "--name", "lab/tiny").code == 0
    assert run("convert", models.file, tmp_path / "out.apr", "--force").code == 1


def test_a_model_that_is_swapped_after_it_was_verified_is_not_converted(
    run: Run, keys: Path, models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.plugins import registry

    monkeypatch.setenv("HUB_TRUST", str(policy(tmp_path, f"{keys}.pub")))
    assert run("sign", models.file, "--key", keys, "--name", "lab/tiny").code == 0
    gguf = registry().formats["gguf"]
    read, other = gguf.read, tmp_path / "other.gguf"
    other.write_bytes(models.file.read_bytes()[:-1] + b"x")
    opened = []

    def racing(path: Path) -> Any:
        """The attacker puts another model in place when the reader comes for the one that was verified."""
        opened.append(path)
        if len(opened) == moment:
            other.replace(models.file)
        return read(path)

    monkeypatch.setattr(gguf, "read", racing)
    moment = 2  # the first reading is the verifier's own
    ran = run("convert", models.file, tmp_path / "out.apr")
    assert len(opened) >= moment
    assert (ran.code, (tmp_path / "out.apr").exists()) == (1, False)
    assert "tiny.gguf: is no longer the file that was verified" in ran.err


def test_inspect_says_who_claims_to_have_signed_and_that_it_verified_nothing(
    run: Run, keys: Path, models: Any, schema: Schema
) -> None:
    assert checked(run, schema, "inspect", models.file)[1]["signature"] is None
    assert "Signature" not in run("inspect", models.file).out
    for model in (models.file, models.folder, models.parts[1]):
        assert run("sign", model, "--key", keys, "--name", "org/tiny", "--sequence", 3).code == 0
        said = checked(run, schema, "inspect", model)[1]["signature"]
        assert (said["kind"], said["name"], said["sequence"], said["problem"]) == ("ecdsa", "org/tiny", 3, None)
        assert len(said["key"]) == 64
        line = f"says 'org/tiny', sequence 3, by key {said['key'][:16]} (ecdsa); NOT verified: hub verify does that"
        assert line in run("inspect", model).out
    (models.folder / "model.sig").write_text("{}")
    assert "model.sig, which cannot be read: the bundle lacks" in run("inspect", models.folder).out
    assert checked(run, schema, "inspect", models.folder)[1]["signature"]["key"] is None
