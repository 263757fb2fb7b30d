from __future__ import annotations

import base64
import json
import resource
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from hub.errors import BadSignature, HubError
from hub.signing import IN_TOTO, PrivateKey, envelope, open_envelope, pae, read_bundle

Change = Callable[[dict[str, Any]], object]


def test_what_is_signed_is_dsse_s_own_example() -> None:
    # protocol.md of DSSE v1.0, "Test Vectors"
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_an_envelope_gives_back_what_went_in_and_says_whose_it_is(key: PrivateKey) -> None:
    made = envelope(IN_TOTO, b"payload", key)
    assert made.count(b"\n") == 1
    opened = open_envelope(made, [PrivateKey.generate().public, key.public])
    assert (opened.payload, opened.key) == (b"payload", key.public)
    assert read_bundle(made).hint == key.public.fingerprint


def test_another_key_opens_nothing(p256: PrivateKey, ed25519: PrivateKey) -> None:
    for signer, others in ((p256, ("p256", "p384", "ed25519")), (ed25519, ("p256", "ed25519"))):
        made = envelope(IN_TOTO, b"payload", signer)
        for other in others:
            with pytest.raises(BadSignature, match=f"not signed by .*it says key {signer.public.fingerprint[:16]}"):
                open_envelope(made, [PrivateKey.generate(other).public])  # type: ignore[arg-type]
        with pytest.raises(BadSignature, match="any of 0 keys"):
            open_envelope(made, [])


def test_a_hint_that_lies_convinces_nobody(p256: PrivateKey, ed25519: PrivateKey) -> None:
    bundle = json.loads(envelope(IN_TOTO, b"payload", ed25519))
    bundle["verificationMaterial"]["publicKey"]["hint"] = p256.public.fingerprint
    with pytest.raises(BadSignature, match="does not hold, though it names a trusted key"):
        open_envelope(json.dumps(bundle).encode(), [p256.public])


def _signatures(change: Callable[[list[Any]], object]) -> Change:
    return lambda b: change(b["dsseEnvelope"]["signatures"])


DAMAGES: dict[str, tuple[Change, str]] = {
    "no signature": (_signatures(list.clear), "0 signatures"),
    "two signatures": (_signatures(lambda s: s.append(s[0])), "2 signatures"),
    "signatures no list": (lambda b: b["dsseEnvelope"].update(signatures="x"), "no list of signatures"),
    "an empty signature": (_signatures(lambda s: s[0].update(sig="")), "sig is empty"),
    "a signature that is no base64": (_signatures(lambda s: s[0].update(sig="@@@@")), "sig is no base64"),
    "an unknown member of the signature": (_signatures(lambda s: s[0].update(alg="none")), "unknown member 'alg'"),
    "another payload type": (lambda b: b["dsseEnvelope"].update(payloadType="text/x"), "the payload is 'text/x'"),
    "no payload": (lambda b: b["dsseEnvelope"].update(payload=""), "payload is empty"),
    "another payload": (
        lambda b: b["dsseEnvelope"].update(payload=base64.b64encode(b"other").decode()),
        "does not hold",
    ),
    "no envelope": (lambda b: b.pop("dsseEnvelope"), "lacks 'dsseEnvelope'"),
    "a message signature beside": (lambda b: b.update(messageSignature={}), "unknown member 'messageSignature'"),
    "another media type": (lambda b: b.update(mediaType="application/json"), "its mediaType"),
    "no key": (lambda b: b.update(verificationMaterial={}), "lacks 'publicKey'"),
    "a certificate": (lambda b: b.update(verificationMaterial={"certificate": {}}), "signed with a certificate"),
    "an algorithm in the bundle": (
        lambda b: b["verificationMaterial"]["publicKey"].update(algorithm="none"),
        "unknown member 'algorithm'",
    ),
    "a hint that is no text": (lambda b: b["verificationMaterial"]["publicKey"].update(hint=1), "hint is no text"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bundle_is_refused(damage: str, key: PrivateKey) -> None:
    change, message = DAMAGES[damage]
    bundle = json.loads(envelope(IN_TOTO, b"payload", key))
    change(bundle)
    with pytest.raises(BadSignature, match=message):
        open_envelope(json.dumps(bundle).encode(), [key.public])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no signature that can be read"),
        (b"[]", "no JSON object"),
        (b"\xff\xfe", "no signature that can be read"),
        (b"[" * 9_000, "nested too deeply"),
        (b"[" + b"{}," * 20_000 + b"{}]", "more than 10,000 members and items"),
        (b'{"mediaType": NaN}', "NaN is no JSON number"),
        (b'{"mediaType": "a", "mediaType": "b"}', "'mediaType' is there twice"),
        (b'{"dsseEnvelope": {"payload": "YQ==", "payload": "Yg=="}}', "'payload' is there twice"),
    ],
    ids=lambda v: None if isinstance(v, str) else v[:30],
)
def test_what_is_no_bundle_is_refused(data: bytes, message: str, p256: PrivateKey) -> None:
    with pytest.raises(BadSignature, match=message):
        open_envelope(data, [p256.public])


def test_every_bit_of_a_bundle_that_means_something_is_held(p256: PrivateKey) -> None:
    made = envelope(IN_TOTO, b'{"_type": "x"}', p256)
    let_through = set()
    for at in range(len(made)):
        changed = bytes([*made[:at], made[at] ^ 1, *made[at + 1 :]])
        try:
            opened = open_envelope(changed, [p256.public])
        except BadSignature:
            continue
        assert opened.payload == b'{"_type": "x"}'
        let_through.add(at)
    hint = made.index(p256.public.fingerprint.encode())
    names = {*range(hint, hint + 64), *range(made.index(b"[]"), len(made))}
    assert let_through <= names | {len(made) - 1}


def test_a_bundle_of_100_mb_is_refused_before_it_is_read(p256: PrivateKey, tmp_path: Path) -> None:
    file = tmp_path / "model.sig"
    with file.open("wb") as large:
        large.truncate(100_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadSignature, match="has 100,000,000 bytes; at most"):
        open_envelope(file, [p256.public])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_a_statement_of_nothing_but_brackets_takes_no_memory(key_file: Path, tmp_path: Path, run: Any) -> None:
    """Whoever looks at an unsigned statement (hub inspect) must not pay for each of its bytes with twenty."""
    model, payload = tmp_path / "model.safetensors", b"[" + b"{}," * 5_000_000 + b"{}]"
    save_file({"a": np.zeros(2, np.float32)}, model)
    model.with_name("model.safetensors.sig").write_bytes(envelope(IN_TOTO, payload, PrivateKey.load(key_file)))
    tracemalloc.start()
    done = run("inspect", model)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "more than 4,000,000 members and items" in done.out
    assert peak < 8 * len(payload)


def test_a_bundle_that_is_no_file_is_refused(p256: PrivateKey, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="cannot be read|not a regular file"):
        open_envelope(tmp_path, [p256.public])
    with pytest.raises(HubError, match="cannot be read"):
        open_envelope(tmp_path / "absent", [p256.public])
