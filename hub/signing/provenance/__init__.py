"""Provenance: from what a model was made, by what, and the chain back to where it began; see docs/provenance.md."""

from hub.signing.provenance._chain import Chain, Conversion, Origin, Step, told, walk
from hub.signing.provenance._places import usual_provenance
from hub.signing.provenance._record import hub_after_write, recorded

__all__ = ["Chain", "Conversion", "Origin", "Step", "hub_after_write", "recorded", "told", "usual_provenance", "walk"]
