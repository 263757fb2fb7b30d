"""Training data: the manifest of one version of a data set, and whether the files are still those; see docs/data.md.

`hub data` (the package hub-data) writes manifests. They are read here because a signature of a model can name them.
"""

from hub.signing._material import Material
from hub.signing.data._corpus import ENDING, NAME, SCHEMA, Corpus, DataFile, Scope, material, read_corpus
from hub.signing.data._held import Held, held
from hub.signing.data._unchanged import HISTORY, ignored, own_names, problems, usual_corpus

__all__ = [
    "ENDING",
    "HISTORY",
    "NAME",
    "SCHEMA",
    "Corpus",
    "DataFile",
    "Held",
    "Material",
    "Scope",
    "held",
    "ignored",
    "material",
    "own_names",
    "problems",
    "read_corpus",
    "usual_corpus",
]
