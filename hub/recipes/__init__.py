"""Recipes: the mixtures of encodings that llama.cpp's quantizer makes, tensor by tensor (q4_k_m, q3_k_l, iq4_xs ...).

Importance matrices, which it weighs errors by, are read from its files.
"""

from hub.recipes._choose import Choice, choose
from hub.recipes._imatrix import WEIGHED, Importance, read_importance
from hub.recipes._names import gguf_parts
from hub.recipes._parts import Part, part
from hub.recipes._table import RECIPES, Recipe

__all__ = [
    "RECIPES",
    "WEIGHED",
    "Choice",
    "Importance",
    "Part",
    "Recipe",
    "choose",
    "gguf_parts",
    "part",
    "read_importance",
]
