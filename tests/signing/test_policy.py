from __future__ import annotations

import json
import multiprocessing
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hub.errors import BadSignature, DamagedFile, HubError, UsageError
from hub.signing import PrivateKey, find_policy, load_policy, sign_model, verify_model
from hub.signing._sequences import Sequences

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, p256: PrivateKey, ed25519: PrivateKey) -> Write:
    """Writes a policy: the lab may sign lab/*, the mirror anything that begins with mirror/."""
    folder = tmp_path / "policy"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "lab.pub").write_bytes(p256.public.pem)
    (folder / "keys" / "mirror.pub").write_bytes(ed25519.public.pem)

    def made(head: str = "", tail: str = "") -> Path:
        signers = "".join(
            f'[[signer]]\nname = "The {name}"\nkey = "keys/{name.lower()}.pub"\nmodels = ["{name.lower()}/*"]\n'
            for name in ("Lab", "Mirror")
        )
        (folder / "trust.toml").write_text(head + signers + tail)
        return folder / "trust.toml"

    return made


def test_a_signer_may_sign_what_the_policy_says_and_nothing_else(
    write: Write, models: Any, p256: PrivateKey, ed25519: PrivateKey
) -> None:
    policy = load_policy(write())
    sign_model(models.folder, p256, name="lab/tiny")
    seen = verify_model(models.folder, policy)
    assert (seen.signer, seen.key) == ("The Lab", p256.public)
    for name in ("mirror/tiny", "Lab/tiny", "xlab/tiny", None):
        sign_model(models.folder, p256, name=name, overwrite=True)
        with pytest.raises(BadSignature, match=rf"The Lab may not sign '{name or 'tiny'}', only lab/\*"):
            verify_model(models.folder, policy)
    sign_model(models.folder, ed25519, name="mirror/tiny", overwrite=True)
    assert verify_model(models.folder, policy).signer == "The Mirror"


def test_nobody_else_is_trusted(write: Write, models: Any) -> None:
    sign_model(models.file, PrivateKey.generate(), name="lab/tiny")
    with pytest.raises(BadSignature, match="not signed by any of 2 keys"):
        verify_model(models.file, load_policy(write()))


def test_a_revoked_key_is_nobody_s(write: Write, models: Any, p256: PrivateKey) -> None:
    sign_model(models.file, p256, name="lab/tiny")
    revoked = f'[[revoked]]\nfingerprint = "{p256.public.fingerprint.upper()}"\nreason = "laptop lost"\n'
    with pytest.raises(BadSignature, match="signed by The Lab, whose key is revoked: laptop lost"):
        verify_model(models.file, load_policy(write(tail=revoked)))


def test_an_older_version_is_refused_until_it_is_allowed(write: Write, models: Any, p256: PrivateKey) -> None:
    file = write()

    def seen(sequence: int | None, name: str = "lab/tiny", *, allow: bool = False) -> int | None:
        sign_model(models.file, p256, name=name, sequence=sequence, overwrite=True)
        return verify_model(models.file, load_policy(file, allow_rollback=allow)).statement.sequence

    assert [seen(5), seen(5), seen(7), seen(1, "lab/other")] == [5, 5, 7, 1]
    for older in (6, 0, None):
        with pytest.raises(BadSignature, match="and 7 was verified before; hub verify --allow-rollback accepts it"):
            seen(older)
    with pytest.raises(UsageError, match="--allow-rollback has no effect"):
        seen(8, allow=True)
    assert seen(6, allow=True) == 6
    assert seen(6) == 6, "the lower one is what is remembered now"
    assert seen(None, allow=True) is None
    assert seen(0) == 0


def test_a_model_that_does_not_hold_leaves_no_mark(write: Write, models: Any, p256: PrivateKey) -> None:
    policy = load_policy(write())
    sign_model(models.file, p256, name="lab/tiny", sequence=1000)
    models.file.write_bytes(models.file.read_bytes() + b"x")
    with pytest.raises(BadSignature, match="changed"):
        verify_model(models.file, policy)
    assert policy.sequences.highest("lab/tiny") is None


def test_the_state_lies_where_the_policy_says(
    write: Write, models: Any, p256: PrivateKey, tmp_path: Path, schema: Callable[[str], dict[str, Any]]
) -> None:
    sign_model(models.file, p256, name="lab/tiny", sequence=3)
    for head, where in (("", "trust.state.json"), (f'state = "{tmp_path}/seen.json"\n', tmp_path / "seen.json")):
        file = write(head)
        verify_model(models.file, load_policy(file))
        document = json.loads((file.parent / where).read_text())
        assert document == {"schema": "hub.sequences/1", "models": {"lab/tiny": 3}}
        jsonschema.Draft202012Validator(schema("sequences")).validate(document)
    with pytest.raises(HubError, match="sequence number cannot be noted: No such file or directory"):
        verify_model(models.file, load_policy(write('state = "nowhere/seen.json"\n')))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": "hub.sequences/1"}', '{"schema": "hub.sequences/1", "models": {"lab/tiny": -1}}']
)
def test_a_damaged_state_is_an_error_and_not_an_empty_one(
    write: Write, models: Any, p256: PrivateKey, text: str
) -> None:
    file = write()
    (file.parent / "trust.state.json").write_text(text)
    sign_model(models.file, p256, name="lab/tiny", sequence=3)
    with pytest.raises(DamagedFile, match=r"trust.state.json"):
        verify_model(models.file, load_policy(file))


def note(file: Path, worker: int) -> None:
    for number in range(20):
        Sequences(file).remember(f"model-{worker}", number)
        Sequences(file).remember("shared", number * 10 + worker)


def test_runs_side_by_side_all_leave_their_mark(tmp_path: Path) -> None:
    file = tmp_path / "seen.json"
    workers = [multiprocessing.get_context("spawn").Process(target=note, args=(file, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    models = json.loads(file.read_text())["models"]
    assert models == {"model-0": 19, "model-1": 19, "model-2": 19, "shared": 192}
    assert {p.name for p in tmp_path.iterdir()} == {"seen.json", "seen.json.lock"}


def test_the_policy_is_found_by_flag_by_variable_or_at_the_user_s(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("hub.signing._places.usual_policy", lambda: tmp_path / "usual" / "trust.toml")
    monkeypatch.delenv("HUB_TRUST", raising=False)
    beside = tmp_path / "model"
    beside.mkdir()
    (beside / "trust.toml").write_text("")
    monkeypatch.chdir(beside)
    assert find_policy() is None, "one beside the model is not looked at"
    (tmp_path / "usual").mkdir()
    (tmp_path / "usual" / "trust.toml").write_text("")
    assert find_policy() == tmp_path / "usual" / "trust.toml"
    monkeypatch.setenv("HUB_TRUST", str(write()))
    assert find_policy() == write()
    assert find_policy(beside / "trust.toml") == beside / "trust.toml"


def test_a_policy_that_is_named_and_missing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no such policy"):
        find_policy(tmp_path / "trust.toml")
    monkeypatch.setenv("HUB_TRUST", str(tmp_path / "trust.toml"))
    with pytest.raises(UsageError, match="no such policy, which HUB_TRUST names"):
        find_policy()


WRONG = {
    "require = 1": "'require' is not true or false",
    "required = true": "unknown key 'required'",
    "signer = 1": "signer is a table",
    "signer = [1]": "signer is a table",
    '[[signer]]\nname = "x"\nmodels = ["*"]': "'key' is missing",
    '[[signer]]\nname = "x"\nkey = "keys/lab.pub"\nmodels = []': "is no list of patterns",
    '[[signer]]\nname = "x"\nkey = "keys/lab.pub"\nmodels = "*"': "'models' is not a list",
    '[[signer]]\nname = "x"\nkey = "keys/lab.pub"\nmodels = [1]': "is no list of patterns",
    '[[signer]]\nname = "x"\nkey = "keys/lab.pub"\nmodels = ["*"]\nmodel = "*"': "unknown key 'model'",
    '[[revoked]]\nfingerprint = "abc"': "is no fingerprint",
    '[[revoked]]\nreason = "x"': "'fingerprint' is missing",
    "require = ": "no TOML",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_policy_that_says_something_else_is_refused(
    write: Write, text: str, schema: Callable[[str], dict[str, Any]]
) -> None:
    file = write()
    file.write_text(text)
    with pytest.raises(DamagedFile, match=WRONG[text]):
        load_policy(file)
    if text != "require = ":
        assert not jsonschema.Draft202012Validator(schema("trust")).is_valid(tomllib.loads(text)), "the schema agrees"


def test_a_policy_is_what_its_schema_says(write: Write, schema: Callable[[str], dict[str, Any]]) -> None:
    checker = jsonschema.Draft202012Validator(schema("trust"))
    revoked = f'[[revoked]]\nfingerprint = "{"0" * 64}"\n'
    for text in (write().read_text(), write('require = true\nstate = "x"\n', revoked).read_text(), ""):
        checker.validate(tomllib.loads(text))
    assert load_policy(write("require = true\n")).require


def test_a_key_that_is_missing_or_private_is_named(write: Write, p256: PrivateKey) -> None:
    file = write()
    (file.parent / "keys" / "lab.pub").unlink()
    with pytest.raises(HubError, match="lab.pub: the key cannot be read"):
        load_policy(file)
    p256.save(file.parent / "keys" / "lab.pub")
    with pytest.raises(HubError, match="is a private key"):
        load_policy(file)
