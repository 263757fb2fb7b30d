"""Signing models and verifying signatures: keys, bundles, statements, and a policy that says who may sign what.

A plugin like others: it comes in by hub-core's own entry points. `cryptography` is imported only where it is used.
"""

from hub.signing._envelope import IN_TOTO, Bundle, Opened, envelope, open_envelope, pae, read_bundle
from hub.signing._json import parse, read_bounded
from hub.signing._keys import OMS_TYPES, KeyType, PrivateKey, PublicKey
from hub.signing._pem import Passphrase, load_private, load_public, parse_public, public_pem, write_pair

__all__ = [
    "IN_TOTO",
    "OMS_TYPES",
    "Bundle",
    "KeyType",
    "Opened",
    "Passphrase",
    "PrivateKey",
    "PublicKey",
    "envelope",
    "load_private",
    "load_public",
    "open_envelope",
    "pae",
    "parse",
    "parse_public",
    "public_pem",
    "read_bounded",
    "read_bundle",
    "write_pair",
]
