"""Provenance: a chain that is walked from where a model began, and every way to break it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import hub
from hub.cli import main
from hub.errors import BadSignature, HubError, TargetExists, UsageError
from hub.interface import Options
from hub.pipeline import Request, Unfinished, convert
from hub.signing import IN_TOTO, KeyTrust, PrivateKey, PublicKey, envelope, load_policy
from hub.signing._sign import sign_model
from hub.signing.manifest import manifest
from hub.signing.provenance import Chain, Conversion, recorded, usual_provenance, walk

SCHEMA = json.loads((Path(hub.__file__).parent / "schemas" / "provenance-statement.json").read_text(encoding="utf-8"))
TRAINER, FIRST, SECOND, STRANGER = (PrivateKey.generate("p256") for _ in range(4))
KEYS = [key.public for key in (TRAINER, FIRST, SECOND)]
TRUSTED = KeyTrust(KEYS[0], tuple(KEYS[1:]))


def made(source: Path, target: Path, key: PrivateKey, *encode: str, force: bool = False, **more: Any) -> Path:
    request = Request(source, target, encode=encode, options=Options(overwrite=force), **more)
    with recorded(request, key):
        convert(request)
    return target


def payloads(model: Path) -> list[Any]:
    lines = usual_provenance(model).read_bytes().splitlines()
    return [json.loads(base64.b64decode(json.loads(line)["dsseEnvelope"]["payload"])) for line in lines]


@dataclass(frozen=True)
class Deployed:
    """A chain of three steps: signed by its trainer, converted into APR and then into a folder."""

    trained: Path
    middle: Path
    final: Path


@pytest.fixture
def deployed(tiny_gguf: Path, tmp_path: Path) -> Deployed:
    sign_model(tiny_gguf, TRAINER, describe=lambda: manifest(tiny_gguf))
    middle = made(tiny_gguf, tmp_path / "middle.apr", FIRST)
    return Deployed(tiny_gguf, middle, made(middle, tmp_path / "final", SECOND, "F16"))


def test_a_chain_is_walked_from_the_training_to_what_is_deployed(deployed: Deployed) -> None:
    chain = walk(deployed.final, TRUSTED)
    assert chain.whole, chain.problem
    assert chain.begins_signed
    assert [*chain.signers] == KEYS
    assert [str(step).partition(" on ")[0] for step in chain.steps] == [
        "tiny.gguf was signed as it is",
        "tiny.gguf (gguf) became middle.apr (apr)",
        "middle.apr (apr) became final (safetensors)",
    ]
    assert "encode ['F16']" in str(chain.steps[2])
    assert f"hub-core {hub.__version__}" in str(chain.steps[2])
    assert walk(deployed.middle, TRUSTED).whole


def test_a_policy_that_has_seen_the_versions_admits_their_chains_and_refuses_older_ones(
    tiny_gguf: Path, tmp_path: Path
) -> None:
    for name, key in (("trainer", TRAINER), ("first", FIRST)):
        (tmp_path / f"{name}.pub").write_bytes(key.public.pem)
    (tmp_path / "trust.toml").write_text(
        '[[signer]]\nname = "Trainer"\nkey = "trainer.pub"\nmodels = ["lab/*"]\n'
        '[[signer]]\nname = "First"\nkey = "first.pub"\nmodels = ["made.apr"]\n'
    )
    sign_model(tiny_gguf, TRAINER, name="lab/tiny", sequence=3)
    target = made(tiny_gguf, tmp_path / "made.apr", FIRST)
    for seen, problem in ((None, None), (3, None), (4, "'lab/tiny' has sequence 3, and 4 was verified before")):
        policy = load_policy(tmp_path / "trust.toml")
        policy.sequences.remember("lab/tiny", seen)
        policy.sequences.remember("made.apr", seen)  # versions are of models, not of what a conversion was called
        assert walk(target, policy).problem == (problem and f"step 1: {problem}")
    command = ["verify", str(target), "--policy", str(tmp_path / "trust.toml"), "--allow-rollback"]
    assert main([*command, "--provenance"]) == main([*command, "--against", f"{tiny_gguf}.sig"]) == 2


def test_statements_are_as_their_schema_says(deployed: Deployed) -> None:
    origin, first, second = payloads(deployed.final)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(first)
    validator.validate(second)
    report = second["predicate"]["hub_report"]
    assert report["verified"]
    changed = {line["name"]: line for line in report["re_encoded"]}
    assert changed["model.layers.0.mlp.up_proj.weight"]["target_encoding"] == "F16"
    assert 0 < changed["model.layers.0.mlp.up_proj.weight"]["max_abs"] < 1e-2
    assert first["predicate"]["hub_report"]["re_encoded"] == []
    assert origin["predicateType"] == "https://model_signing/signature/v1.0"


def test_statements_are_those_of_in_toto_and_slsa(deployed: Deployed) -> None:
    """The in-toto project's own types read them, unknown fields outside the predicate being errors."""
    reason = "in-toto-attestation is not installed: pip install in-toto-attestation"
    statement_pb2 = pytest.importorskip("in_toto_attestation.v1.statement_pb2", reason=reason)
    provenance_pb2 = pytest.importorskip("in_toto_attestation.predicates.provenance.v1.provenance_pb2", reason=reason)
    from google.protobuf import json_format
    from in_toto_attestation.v1.statement import Statement

    for document in payloads(deployed.final)[1:]:
        parsed = json_format.ParseDict(document, statement_pb2.Statement())
        Statement.copy_from_pb(parsed).validate()
        predicate = {k: v for k, v in document["predicate"].items() if k != "hub_report"}
        slsa = json_format.ParseDict(predicate, provenance_pb2.Provenance())
        assert slsa.build_definition.build_type == "urn:hub-core:convert:v1"
        assert slsa.run_details.builder.version["hub-core"] == hub.__version__


def test_recording_does_not_change_the_model(deployed: Deployed, tmp_path: Path) -> None:
    convert(Request(deployed.trained, tmp_path / "plain.apr"))
    assert (tmp_path / "plain.apr").read_bytes() == deployed.middle.read_bytes()
    convert(Request(deployed.middle, tmp_path / "plain", encode=["F16"]))
    plain = {p.name: p.read_bytes() for p in (tmp_path / "plain").iterdir()}
    mine = {p.name: p.read_bytes() for p in deployed.final.iterdir()}
    assert mine.keys() - plain.keys() == {"model.sig", "hub.provenance.jsonl"}
    assert all(mine[name] == data for name, data in plain.items())


def test_there_and_back_is_the_same_file(tiny_gguf: Path, tmp_path: Path) -> None:
    folder = made(tiny_gguf, tmp_path / "folder", FIRST)
    back = made(folder, tmp_path / "back.gguf", SECOND)
    assert back.read_bytes() == tiny_gguf.read_bytes()
    chain = walk(back, TRUSTED)
    assert chain.whole
    assert not chain.begins_signed  # nobody signed the first source


def test_the_model_may_have_another_name_and_not_another_byte(deployed: Deployed, tmp_path: Path) -> None:
    renamed = deployed.middle.rename(tmp_path / "renamed.apr")
    provenance = usual_provenance(deployed.middle)
    assert walk(renamed, TRUSTED, provenance).whole
    data = bytearray(renamed.read_bytes())
    data[-9] ^= 1
    renamed.write_bytes(data)
    assert "the file is changed" in str(walk(renamed, TRUSTED, provenance).problem)


Lines = list[bytes]


def resealed(line: bytes, key: PrivateKey, change: Callable[[Any], object]) -> bytes:
    payload = json.loads(base64.b64decode(json.loads(line)["dsseEnvelope"]["payload"]))
    change(payload)
    return envelope(IN_TOTO, json.dumps(payload).encode(), key).strip()


def swap_files(payload: Any) -> None:
    for file in payload["subject"]:
        file["digest"]["sha256"] = "0" * 64


BROKEN: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "first left out": (lambda s: s[1:], "step 1: follows another statement"),
    "middle left out": (lambda s: [s[0], s[2]], "step 2: follows another statement"),
    "last left out": (lambda s: s[:2], "not what the statement about it says"),
    "swapped": (lambda s: [s[0], s[2], s[1]], "step 2: follows another statement"),
    "doubled": (lambda s: [*s, s[2]], "step 4: follows another statement"),
    "origin again": (lambda s: [*s, s[0]], "step 4: is a signature"),
    "signed by a stranger": (lambda s: [*s[:2], resealed(s[2], STRANGER, lambda _: None)], "step 3: not signed by any"),
    "edited": (lambda s: [*s[:2], s[2].replace(b'"payload":"e', b'"payload":"f')], "step 3: "),
    "other files, signed": (lambda s: [*s[:2], resealed(s[2], SECOND, swap_files)], "is changed"),
    "origin of other files": (
        lambda s: [resealed(s[0], TRAINER, lambda p: p.pop("predicate")), *s[1:]],
        "step 1: ",
    ),
    "no statement": (lambda s: [*s, b"{}"], "step 4: "),
    "no JSON": (lambda s: [*s, b"nothing"], "step 4: "),
    "another kind": (
        lambda s: [*s[:2], resealed(s[2], SECOND, lambda p: p.update(predicateType="https://example.com/x"))],
        "step 3: a statement of kind",
    ),
    "no report": (
        lambda s: [*s[:2], resealed(s[2], SECOND, lambda p: p["predicate"].pop("hub_report"))],
        "lacks a part",
    ),
    "another build": (
        lambda s: [*s[:2], resealed(s[2], SECOND, lambda p: p["predicate"]["buildDefinition"].update(buildType="x"))],
        "buildType 'x'",
    ),
    "empty": (lambda _: [], "0 statements"),
    "without end": (lambda _: [b"{}"] * 1001, "1001 statements"),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_chain_says_where(deployed: Deployed, how: str) -> None:
    change, message = BROKEN[how]
    file = usual_provenance(deployed.final)
    file.write_bytes(b"\n".join(change(file.read_bytes().splitlines())) + b"\n")
    chain = walk(deployed.final, TRUSTED)
    assert not chain.whole
    assert message in str(chain.problem)


def test_a_chain_asks_for_every_signer(deployed: Deployed) -> None:
    def problem(*keys: PublicKey) -> str:
        return str(walk(deployed.final, KeyTrust(keys[0], keys[1:])).problem)

    assert problem(*KEYS[1:]).startswith("step 1: not signed by")
    assert problem(KEYS[0], KEYS[2]).startswith("step 2: not signed by")
    assert problem(*KEYS[:2]).startswith("step 3: not signed by")


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"rope_theta": 10000', b'"rope_theta": 20000'))


def unedited(chain: Chain) -> str:
    return str(chain.problem)


def test_a_folder_holds_what_was_stated_and_nothing_else(deployed: Deployed) -> None:
    (deployed.final / "modeling.py").write_bytes(b"pass")
    assert "modeling.py is not one of its files" in unedited(walk(deployed.final, TRUSTED))
    (deployed.final / "modeling.py").unlink()
    config = (deployed.final / "config.json").read_bytes()
    (deployed.final / "config.json").write_bytes(config + b" ")
    assert "config.json is changed" in unedited(walk(deployed.final, TRUSTED))
    (deployed.final / "config.json").unlink()
    assert "config.json is missing" in unedited(walk(deployed.final, TRUSTED))
    (deployed.final / "config.json").symlink_to("hub.json")
    assert "link" in unedited(walk(deployed.final, TRUSTED))


@pytest.mark.parametrize("which", ["trained", "middle"])
def test_a_source_that_is_not_what_was_signed_is_not_carried_on(deployed: Deployed, which: str, tmp_path: Path) -> None:
    path: Path = getattr(deployed, which)
    with path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BadSignature, match="is changed"):
        made(path, tmp_path / "other.safetensors", SECOND)
    assert not (tmp_path / "other.safetensors").exists()


def test_a_signature_over_other_tensors_breaks_the_chain(tiny_gguf: Path, tmp_path: Path) -> None:
    lied = manifest(tiny_gguf)
    lied["tensors"][0]["sha256"] = "0" * 64
    sign_model(tiny_gguf, TRAINER, describe=lambda: lied)
    middle = made(tiny_gguf, tmp_path / "middle.apr", FIRST)
    assert "step 2: names other tensors" in str(walk(middle, TRUSTED).problem)


def test_many_files_make_one_step(tiny_gguf: Path, tmp_path: Path) -> None:
    request = Request(tiny_gguf, tmp_path / "parts.apr", options=Options(shard_size=20_000))
    with recorded(request, FIRST):
        convert(request)
    [provenance] = tmp_path.glob("*.provenance.jsonl")
    first = provenance.with_name(provenance.name.removesuffix(".provenance.jsonl"))
    assert walk(first, TRUSTED).whole
    folder = made(first, tmp_path / "whole", SECOND)
    chain = walk(folder, TRUSTED)
    assert chain.whole, chain.problem
    last = chain.steps[-1]
    assert isinstance(last, Conversion)
    assert len(last.source) > 1
    shard = sorted(tmp_path.glob("parts-*.apr"))[-1]
    shard.write_bytes(shard.read_bytes() + b"\0")
    assert not walk(first, TRUSTED).whole


def test_nothing_is_recorded_outside_the_block(tiny_gguf: Path, tmp_path: Path) -> None:
    made(tiny_gguf, tmp_path / "a.apr", FIRST)
    convert(Request(tiny_gguf, tmp_path / "b.apr"))
    assert not usual_provenance(tmp_path / "b.apr").exists()


def test_what_is_there_stays_without_force(tiny_gguf: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.apr"
    usual_provenance(target).write_bytes(b"mine")
    with pytest.raises(TargetExists, match="exists already"):
        made(tiny_gguf, target, FIRST)
    assert not target.exists()
    made(tiny_gguf, target, FIRST, force=True)
    assert walk(target, TRUSTED).whole
    (tmp_path / "b.apr.sig").write_bytes(b"mine")
    with pytest.raises(TargetExists):
        made(tiny_gguf, tmp_path / "b.apr", FIRST)


def test_a_dry_run_signs_nothing(tiny_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--sign-key has no effect"):
        made(tiny_gguf, tmp_path / "a.apr", FIRST, dry_run=True)


def test_a_model_without_provenance_is_told(tiny_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSignature, match="has no provenance"):
        walk(tiny_gguf, TRUSTED)
    with pytest.raises(UsageError, match="no such file"):
        walk(tmp_path / "none", TRUSTED)


class Touching:
    """Progress that touches the source when writing begins."""

    def __init__(self, source: Path) -> None:
        self.source = source

    def start(self, what: str, nbytes: int) -> None:
        if what == "write":
            os.utime(self.source)

    def advance(self, nbytes: int) -> None:
        pass


def test_a_source_that_changes_meanwhile_gets_no_statement(tiny_gguf: Path, tmp_path: Path) -> None:
    request = Request(tiny_gguf, tmp_path / "a.apr")
    with pytest.raises(HubError, match="no longer the file") as raised, recorded(request, FIRST):
        convert(request, Touching(tiny_gguf))
    assert isinstance(raised.value, Unfinished)
    assert not usual_provenance(tmp_path / "a.apr").exists()
    assert not (tmp_path / "a.apr.sig").exists()


def test_the_command_signs_what_it_converts(
    tiny_gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["keygen", "-o", "key"]) == 0
    assert main(["convert", tiny_gguf.name, "a.apr", "--sign-key", "key"]) == 0
    assert "from what: a.apr.provenance.jsonl" in capsys.readouterr().out
    assert main(["verify", "a.apr", "--key", "key.pub"]) == 0
    assert walk(tmp_path / "a.apr", KeyTrust(PublicKey.load(tmp_path / "key.pub"))).whole
    for flag in ("--passphrase-file", "--sign-name"):
        assert main(["convert", tiny_gguf.name, "b.apr", flag, "key"]) == 2
        assert f"{flag} has no effect without --sign-key" in capsys.readouterr().err
    assert main(["convert", tiny_gguf.name, "b.apr", "--sign-key", "key", "--sign-name", ""]) == 2
    assert not (tmp_path / "b.apr").exists()
    Path("trust.toml").write_text('require = true\n[[signer]]\nname = "Lab"\nkey = "key.pub"\nmodels = ["lab/*"]\n')
    assert main(["convert", tiny_gguf.name, "b.apr", "--sign-key", "key", "--sign-name", "lab/b"]) == 0
    for model, code in (("a.apr", 1), ("b.apr", 0)):
        assert main(["verify", model, "--policy", "trust.toml"]) == code
        assert main(["verify", model, "--provenance", "--policy", "trust.toml"]) == code


def test_the_command_walks_the_chain(deployed: Deployed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, key in enumerate(KEYS):
        (tmp_path / f"{number}.pub").write_bytes(key.pem)

    def verify(*numbers: int, flags: Sequence[str] = ()) -> tuple[int, str]:
        keys = [arg for n in numbers for arg in ("--key", str(tmp_path / f"{n}.pub"))]
        capsys.readouterr()
        code = main(["verify", str(deployed.final), "--provenance", *keys, *flags])
        return code, capsys.readouterr().out

    code, out = verify(0, 1, 2)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("1. tiny.gguf was signed as it is; signed with p256 ")
    assert any(line.split()[:3] == ["lm_head.weight", "F32", "F16"] for line in lines)
    assert lines[-1].endswith("every step holds, and these are its files")
    code, out = verify(0)
    assert (code, "BROKEN: step 2: not signed by" in out) == (1, True)
    schema = json.loads((Path(hub.__file__).parent / "schemas" / "provenance.json").read_text(encoding="utf-8"))
    for numbers in ((0, 1, 2), (0, 1)):
        code, out = verify(*numbers, flags=["--json"])
        document = json.loads(out)
        jsonschema.Draft202012Validator(schema).validate(document)
        assert document["whole"] == (code == 0) == (len(numbers) == 3)
    assert verify(0, flags=["--name", "x"])[0] == 2


def test_a_policy_says_who_may_be_in_a_chain(deployed: Deployed, tmp_path: Path) -> None:
    signers = ""
    for name, key, models in zip(("lab", "first", "second"), KEYS, ("tiny*", "middle*", "final"), strict=True):
        (tmp_path / name).write_bytes(key.pem)
        signers += f'[[signer]]\nname = "{name}"\nkey = "{name}"\nmodels = ["{models}"]\n'
    policy = tmp_path / "trust.toml"
    policy.write_text(signers)
    assert walk(deployed.final, load_policy(policy)).whole
    policy.write_text(signers.replace("middle", "other"))
    assert "step 2: first may not sign" in str(walk(deployed.final, load_policy(policy)).problem)
    policy.write_text(f'{signers}[[revoked]]\nfingerprint = "{KEYS[0].fingerprint}"\nreason = "laptop lost"\n')
    assert "step 1: signed by lab, whose key is revoked" in str(walk(deployed.final, load_policy(policy)).problem)
