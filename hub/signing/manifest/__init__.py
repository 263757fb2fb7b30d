"""The tensor manifest: what a model is, whatever its format, and whether another is the same."""

from hub.signing.manifest._build import SCHEMA, manifest, manifest_digest, of_model
from hub.signing.manifest._canonical_json import canonical_json
from hub.signing.manifest._compare import Against, Departure, compare

__all__ = [
    "SCHEMA",
    "Against",
    "Departure",
    "canonical_json",
    "compare",
    "manifest",
    "manifest_digest",
    "of_model",
]
