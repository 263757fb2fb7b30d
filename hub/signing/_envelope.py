"""The signed envelope: DSSE in a Sigstore bundle, as OpenSSF Model Signing 1.0 uses them.

DSSE (secure-systems-lab/dsse, protocol.md v1.0) signs the payload together with its type. The Sigstore bundle v0.3
(protobuf-specs, sigstore_bundle.proto, as JSON) names the key by a hint. The hint is shown to people and decides
nothing: whether a signature holds is asked of the keys that the user trusts.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.errors import BadSignature, DamagedFile
from hub.signing._json import parse, read_bounded
from hub.signing._keys import PrivateKey, PublicKey

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"

# Keys of each object: those that must be there, and those that may.
_BUNDLE = frozenset({"mediaType", "verificationMaterial", "dsseEnvelope"})
_ENVELOPE = frozenset({"payload", "payloadType", "signatures"})
_MATERIAL = frozenset({"publicKey", "tlogEntries", "timestampVerificationData"})

_MOST_PARTS = 10_000  # a bundle has some twenty, and more with the entries of logs


@dataclass(frozen=True)
class Bundle:
    """A parsed bundle; nothing in it is verified. `hint` names the key that is said to have signed."""

    payload_type: str
    payload: bytes
    signature: bytes
    hint: str | None


@dataclass(frozen=True)
class Opened:
    """A verified envelope: the payload, and which of the trusted keys signed it."""

    payload: bytes
    key: PublicKey


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is really signed."""
    name = payload_type.encode()
    return b" ".join([b"DSSEv1", str(len(name)).encode(), name, str(len(payload)).encode(), payload])


def envelope(payload_type: str, payload: bytes, key: PrivateKey) -> bytes:
    """A bundle, as JSON, that holds `payload` signed with `key`."""
    signature = key.sign(pae(payload_type, payload))
    bundle = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": key.public.fingerprint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, separators=(",", ":")).encode() + b"\n"


def open_envelope(
    data: bytes | Path, keys: Sequence[PublicKey], payload_type: str = IN_TOTO, *, file: Path | None = None
) -> Opened:
    """The payload of a bundle that one of `keys` signed. `data` is the bundle, or the file that holds it.

    `BadSignature` when it is no bundle, when the signature is none of `keys`', or the payload is of another type.
    """
    file = data if isinstance(data, Path) else file
    return verified(read_bundle(data, file=file), keys, payload_type, file=file)


def verified(bundle: Bundle, keys: Sequence[PublicKey], payload_type: str, *, file: Path | None = None) -> Opened:
    """`open_envelope` of a bundle that is parsed already."""
    if bundle.payload_type != payload_type:
        raise BadSignature(f"the payload is {bundle.payload_type!r}, not {payload_type!r}", file=file)
    message = pae(bundle.payload_type, bundle.payload)
    for key in keys:
        if key.verifies(bundle.signature, message):
            return Opened(bundle.payload, key)
    raise BadSignature(_nobody(bundle, keys), file=file)


def _nobody(bundle: Bundle, keys: Sequence[PublicKey]) -> str:
    said = f"it says key {bundle.hint[:16]}" if bundle.hint else "it does not say whose it is"
    if bundle.hint in {key.fingerprint for key in keys}:
        return f"the signature does not hold, though it names a trusted key ({said})"
    tried = f"the key {keys[0].fingerprint[:16]} ({keys[0].type})" if len(keys) == 1 else f"any of {len(keys)} keys"
    return f"not signed by {tried}; {said}"


def read_bundle(data: bytes | Path, *, file: Path | None = None) -> Bundle:
    """The parts of a bundle, unverified, each of the type it must have and no part twice or unknown."""
    file = data if isinstance(data, Path) else file
    try:
        raw = read_bounded(data) if isinstance(data, Path) else data
        document = parse(raw, file, _MOST_PARTS)
    except DamagedFile as error:
        raise BadSignature(f"no signature that can be read: {error.message}", file=file) from error
    bundle = _object(document, "the bundle", _BUNDLE, _BUNDLE, file)
    if bundle["mediaType"] != MEDIA_TYPE:
        raise BadSignature(f"its mediaType is {bundle['mediaType']!r}, not {MEDIA_TYPE!r}", file=file)
    dsse = _object(bundle["dsseEnvelope"], "dsseEnvelope", _ENVELOPE, _ENVELOPE, file)
    return Bundle(
        _text(dsse["payloadType"], "payloadType", file),
        _bytes(dsse["payload"], "payload", file),
        _signature(dsse["signatures"], file),
        _hint(bundle["verificationMaterial"], file),
    )


def _signature(value: Any, file: Path | None) -> bytes:
    if not isinstance(value, list) or len(value) != 1:
        count = len(value) if isinstance(value, list) else "no list of"
        raise BadSignature(f"it has {count} signatures; a bundle has exactly one", file=file)
    one = _object(value[0], "signatures[0]", frozenset({"sig"}), frozenset({"sig", "keyid"}), file)
    if one.get("keyid") is not None:
        _text(one["keyid"], "keyid", file)
    return _bytes(one["sig"], "sig", file)


def _hint(value: Any, file: Path | None) -> str | None:
    """The key's hint; None in bundles of model-signing before 1.1, which had the key's bytes instead."""
    if isinstance(value, dict) and "publicKey" not in value and {"certificate", "x509CertificateChain"} & value.keys():
        raise BadSignature("signed with a certificate; only signatures made with a key are verified", file=file)
    material = _object(value, "verificationMaterial", frozenset({"publicKey"}), _MATERIAL, file)
    known = frozenset({"hint", "rawBytes", "keyDetails"})
    key = _object(material["publicKey"], "publicKey", frozenset(), known, file)
    return None if key.get("hint") is None else _text(key["hint"], "hint", file)


def _object(value: Any, what: str, needed: frozenset[str], known: frozenset[str], file: Path | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadSignature(f"{what} is no JSON object", file=file)
    missing, unknown = sorted(needed - value.keys()), sorted(value.keys() - known)
    if missing or unknown:
        said = f"lacks {missing[0]!r}" if missing else f"has an unknown member {unknown[0]!r}"
        raise BadSignature(f"{what} {said}", file=file)
    return value


def _text(value: Any, what: str, file: Path | None) -> str:
    if not isinstance(value, str):
        raise BadSignature(f"{what} is no text", file=file)
    return value


def _bytes(value: Any, what: str, file: Path | None) -> bytes:
    """Base64, of the standard alphabet or the URL's (DSSE lets a producer choose)."""
    text = _text(value, what, file).replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature(f"{what} is no base64: {error}", file=file) from error
    if not data:
        raise BadSignature(f"{what} is empty", file=file)
    return data
