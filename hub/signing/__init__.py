"""Signing models and verifying signatures: keys, bundles, statements, and a policy that says who may sign what.

`hub.signing.plugin` hangs it into the hub, by hub-core's own entry points. Every command loads that module and so this
package: what is in it is imported when it is first used, `cryptography` where it is needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.signing._claim import Claim, claim
    from hub.signing._envelope import IN_TOTO, Bundle, Opened, envelope, open_envelope, pae, read_bundle
    from hub.signing._files import Digested, Identity, Seal, check_names, digest_files, listing
    from hub.signing._json import parse, read_bounded
    from hub.signing._keys import OMS_TYPES, KeyType, PrivateKey, PublicKey
    from hub.signing._locations import Reads, find_signature, usual_signature
    from hub.signing._material import Material
    from hub.signing._own import OwnSignature, SignsItself
    from hub.signing._pem import Passphrase, load_private, load_public, parse_public, public_pem, write_pair
    from hub.signing._places import find_policy, usual_policy
    from hub.signing._policy import Policy, Signer, load_policy
    from hub.signing._sign import Signed, sign_model
    from hub.signing._statement import Statement
    from hub.signing._verify import KeyTrust, Mismatch, Trust, Verified, open_statement, verify_model

__all__ = [
    "IN_TOTO",
    "OMS_TYPES",
    "Bundle",
    "Claim",
    "Digested",
    "Identity",
    "KeyTrust",
    "KeyType",
    "Material",
    "Mismatch",
    "Opened",
    "OwnSignature",
    "Passphrase",
    "Policy",
    "PrivateKey",
    "PublicKey",
    "Reads",
    "Seal",
    "Signed",
    "Signer",
    "SignsItself",
    "Statement",
    "Trust",
    "Verified",
    "check_names",
    "claim",
    "digest_files",
    "envelope",
    "find_policy",
    "find_signature",
    "listing",
    "load_policy",
    "load_private",
    "load_public",
    "open_envelope",
    "open_statement",
    "pae",
    "parse",
    "parse_public",
    "public_pem",
    "read_bounded",
    "read_bundle",
    "sign_model",
    "usual_policy",
    "usual_signature",
    "verify_model",
    "write_pair",
]

# The modules in which a name is looked for, those that import little first.
_MODULES = (
    "_claim",
    "_places",
    "_locations",
    "_envelope",
    "_files",
    "_json",
    "_keys",
    "_material",
    "_own",
    "_pem",
    "_policy",
    "_sign",
    "_statement",
    "_verify",
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = vars(import_module(f"{__name__}.{module}"))
            if name in found:
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
