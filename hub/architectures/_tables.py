"""All families. Source of the tables: `modeling_*.py` and `configuration_*.py` of transformers 4.5x and 5.x.

A new family is a few lines: its blocks, or its own lines, and what its config.json leaves out or spells differently.
"""

from __future__ import annotations

from hub.architectures import _biased, _gated
from hub.architectures._family import Family

FAMILIES: dict[str, Family] = {family.model_type: family for family in (*_gated.FAMILIES, *_biased.FAMILIES)}
