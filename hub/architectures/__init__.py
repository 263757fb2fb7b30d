"""What is known of each architecture, in Hugging Face's terms: its tensors, their shapes, its facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.architectures._facts import facts
from hub.architectures._family import Expected, Family, Slot, dimension
from hub.architectures._layouts import usual
from hub.architectures._tables import FAMILIES

__all__ = ["FAMILIES", "Expected", "Family", "Slot", "dimension", "facts", "family", "usual"]


def family(config: Mapping[str, Any]) -> Family | None:
    """The family that `config` names by model_type, or by its architectures; None when it is in no table."""
    kind = facts(config)["model_type"]
    if kind is not None:
        return FAMILIES.get(str(kind))
    stated = config.get("architectures")
    classes = {str(name) for name in stated} if isinstance(stated, list | tuple) else set()
    return next((f for f in FAMILIES.values() if classes & set(f.classes)), None)
