"""What must be known before a model is converted: no target may hold a number that nothing in the source says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from hub.architectures import Family, family, usual
from hub.errors import DamagedFile, MissingFact
from hub.ir import Model


def check_facts(model: Model) -> None:
    """Hold a model of a known family, whose source has no config.json of its own, to what that file must state.

    A config.json may leave a number to the class that reads it; other formats have no such class, so that a key which
    is not there would become another model's number in silence. `MissingFact` names what the source does not say,
    `DamagedFile` a tensor whose shape contradicts what it says.
    """
    known = family(model.config) if model.naming == "hf" and "config.json" not in model.files else None
    if known is None:
        return
    missing = list(_missing(known, model))
    if missing:
        raise MissingFact(
            f"nothing says {', '.join(missing)}, which a {known.model_type} needs",
            file=model.path,
            hint=f"state it with --assume {missing[0]}=VALUE",
        )
    _check_shapes(known, model)


def _missing(known: Family, model: Model) -> Iterator[str]:
    facts = known.facts(model.config)
    length = ("max_position_embeddings",) if "rope_theta" in known.defaults else ()
    needed = dict.fromkeys((*known.required_facts, *length))
    yield from (key for key in needed if facts.fact(key, object) is None)
    yield from known.assumed(model.config)


def _check_shapes(known: Family, model: Model) -> None:
    tensors = {piece.name: piece for _, piece in usual(known, model.tensors)}
    most = 20 * len(tensors) + 10_000  # a count gone wild ends here
    for wanted in islice(known.expected(model.config), most):
        tensor = tensors.get(wanted.name)
        if tensor is not None and tensor.shape != wanted.shape:
            raise DamagedFile(
                f"shape {list(tensor.shape)} was found, the configuration asks for {list(wanted.shape)}",
                file=model.path,
                tensor=tensor.name,
            )
