"""Formats translated into each other and back, and models held against each other: what `hub rosetta` does.

Nothing here converts or compares by itself: `hub.pipeline` does the one, `hub.verdicts` and `hub.signing.manifest` the
other.
"""

from hub.rosetta._chain import Chain, Link, Step, chain, usual_intermediate
from hub.rosetta._fingerprint import Comparison, Fingerprint, compare, fingerprint, is_fingerprint, load

__all__ = [
    "Chain",
    "Comparison",
    "Fingerprint",
    "Link",
    "Step",
    "chain",
    "compare",
    "fingerprint",
    "is_fingerprint",
    "load",
    "usual_intermediate",
]
