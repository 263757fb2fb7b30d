from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hub.interface import Plan, PlannedTensor
from hub.ir import F32, Tensor
from hub.opening import open_model
from hub.pipeline import Piece, cut, grain, numbers


def tensor(name: str, *shape: int) -> Tensor:
    return Tensor.from_bytes(name, shape, F32, np.arange(np.prod(shape), dtype=np.float32).tobytes())


def bytes_of(pieces: list[Piece]) -> list[tuple[int, int]]:
    return [(share.offset, share.offset + share.nbytes) for piece in pieces for share in piece.shares]


@pytest.mark.parametrize("values", [1, 7, 100, 10**6])
def test_every_byte_is_in_one_piece(values: int) -> None:
    tensors = [tensor("a", 30, 4), tensor("b", 3), tensor("c", 0, 4), tensor("d", 5, 2, 6)]
    plan = Plan("any", [PlannedTensor(t, (t.name,)) for t in tensors])
    placements = [(1000, tensors[3]), (64, tensors[0]), (600, tensors[1]), (900, tensors[2])]
    pieces, rest = cut(placements, numbers(plan), values)
    assert rest == []
    merged = bytes_of(pieces)
    assert merged == sorted(merged)
    covered = {at for start, stop in merged for at in range(start, stop)}
    assert covered == {*range(64, 64 + 480), *range(600, 612), *range(1000, 1240)}
    assert sum(stop - start for start, stop in merged) == len(covered)
    assert len({str(piece) for piece in pieces}) == len(pieces)


def test_a_tensor_is_known_by_its_rows_and_a_strange_one_is_left() -> None:
    planned = tensor("a", 6, 4)
    other = tensor("a", 6, 4)
    plan = Plan("any", [PlannedTensor(planned, ("a",))])
    pieces, rest = cut([(0, planned.named("b").reshaped(2, 3, 4)), (96, other)], numbers(plan), 8)
    assert [s.tensor for piece in pieces for s in piece.shares] == [0, 0, 0]
    assert rest == [(96, other)]


def test_a_model_of_any_size_has_enough_pieces(tiny_gguf: Path) -> None:
    _, model = open_model(tiny_gguf)
    plan = Plan("any", [PlannedTensor(t, (name,)) for name, t in model.tensors.items()])
    placements = [(i * 100_000, t) for i, t in enumerate(model.tensors.values())]
    pieces, _ = cut(placements, numbers(plan), grain(plan))
    assert len(pieces) > 4
