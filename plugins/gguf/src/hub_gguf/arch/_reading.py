"""A GGUF file's keys and tensors as the rules of the config see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hub.architectures import Family
from hub.errors import DamagedFile, UnsupportedFile
from hub.ir import Config, Tensor
from hub_gguf.arch._keys import BOOL, FLOAT, STRING, U32
from hub_gguf.arch._rules import Rule
from hub_gguf.arch._tables import Arch

THETA = 10000.0  # llama.cpp's rope_freq_base_train when a file has no rope.freq_base

_KINDS: dict[Any, type | tuple[type, ...]] = {U32: int, FLOAT: (float, int), BOOL: bool, STRING: str}


@dataclass
class Source:
    """What a GGUF file says (`kv`, all its keys, and `tensors`), which rules its tensors meet, and what is found out.

    `values` are canonical facts; `notes` say what was derived or is missing; `used` names tensors that became facts.
    """

    arch: Arch
    family: Family
    kv: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    present: frozenset[Rule]
    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def key(self, name: str) -> Any:
        """The value of `{arch}.name`, None when absent; `UnsupportedFile` for lists (one value a layer)."""
        value = self.kv.get(f"{self.arch.name}.{name}")
        kind = _KINDS.get(self.arch.key(name).type) if value is not None else None
        if value is None or (kind and isinstance(value, kind) and not (kind is not bool and isinstance(value, bool))):
            return self._finite(name, value) if isinstance(value, float) else value
        if isinstance(value, str | int | float):
            raise DamagedFile(f"key {self.arch.name}.{name} is {value!r}, {self.arch.key(name).type.name} was expected")
        raise UnsupportedFile(
            f"key {self.arch.name}.{name} is a list with one value a layer", hint="such models are not converted"
        )

    def otherwise(self, name: str, default: Any) -> Any:
        """The value of `{arch}.name`, or what llama.cpp takes for a file without it, and a note that says so.

        No note for a key that files of this architecture never have.
        """
        value = self.key(name)
        if value is None and default is not None and name in self.arch.keys:
            self.notes.append(f"{self.arch.name}.{name} is not in the file: {default} is taken, as llama.cpp does")
        return default if value is None else value

    def _finite(self, name: str, value: float) -> float:
        if not abs(value) <= 3.4e38:  # NaN is not either
            raise DamagedFile(f"key {self.arch.name}.{name} is {value}, a number was expected")
        return exact_float(value)

    def need(self, fact: str) -> int:
        """A count that a rule works with; `MissingFact` when the file does not state it."""
        return Config(self.values).require(fact, int)

    @property
    def head_dim(self) -> int:
        """Width of a head as llama.cpp takes it: key_length, or embedding_length / head_count."""
        width = Config(self.values).head_dim
        if width < 1:
            raise DamagedFile(f"the keys of {self.arch.name} make a head {width} wide, at least 1 was expected")
        return width


def exact_float(value: float) -> float:
    """The shortest decimal that is the same float32: 9.999999747378752e-06 is 1e-05."""
    return float(str(np.float32(value)))
