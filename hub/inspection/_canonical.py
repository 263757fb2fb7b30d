"""A model's tensors under the names that its family's table has, whatever names and pieces its file has."""

from __future__ import annotations

from collections import Counter

from hub.architectures import family, usual
from hub.errors import DamagedFile
from hub.ir import Model, Tensor


def canonical(model: Model) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and ties of `model` under canonical names; as they are where its architecture is in no table.

    `DamagedFile` when two tensors of the file come out under one name.
    """
    known = family(model.config) if model.naming == "hf" else None
    if known is None:
        return dict(model.tensors), dict(model.ties)
    found = [t for _, t in usual(known, model.tensors)]
    tensors = {t.name: t for t in found}
    if len(tensors) < len(found):
        name, count = Counter(t.name for t in found).most_common(1)[0]
        raise DamagedFile(f"{count} tensors of the file have this name in canonical form", file=model.path, tensor=name)
    return tensors, {known.normal(alias): known.normal(of) for alias, of in model.ties.items()}
