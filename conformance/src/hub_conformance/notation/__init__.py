"""A canonical model as readable JSON: read, written, compared; `notation/model.json` among the schemas describes it."""

from hub_conformance.notation._differences import ASPECTS, Aspect, aspects, differences, exact
from hub_conformance.notation._document import SCHEMA, load, model_of, read_document
from hub_conformance.notation._dump import dump, save
from hub_conformance.notation._generate import Generated, generated, words

__all__ = [
    "ASPECTS",
    "SCHEMA",
    "Aspect",
    "Generated",
    "aspects",
    "differences",
    "dump",
    "exact",
    "generated",
    "load",
    "model_of",
    "read_document",
    "save",
    "words",
]
