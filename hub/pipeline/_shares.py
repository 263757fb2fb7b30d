"""The writing of a plan, cut into pieces that any process can do that makes the same plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hub.interface import Placement, Plan
from hub.ir import Tensor

_MOST, _FEWEST = 1 << 24, 1 << 10  # values of a piece: few to be done again, enough to be worth sending
_PIECES = 64  # enough of them to keep many workers busy until the end


@dataclass(frozen=True, slots=True)
class Share:
    """Rows `start` to `stop` of the tensor that has number `tensor` in a plan: `nbytes` bytes at byte `offset`."""

    tensor: int
    start: int
    stop: int
    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Shares of one file that are written together."""

    shares: tuple[Share, ...]

    @property
    def nbytes(self) -> int:
        """Bytes to be written."""
        return sum(share.nbytes for share in self.shares)

    def __str__(self) -> str:
        """Which bytes of the file it is about: its name in a journal and in messages."""
        return f"{self.shares[0].offset}-{self.shares[-1].offset + self.shares[-1].nbytes}"


def numbers(plan: Plan) -> Mapping[int, int]:
    """The number in the plan of the tensor whose rows have this `id`."""
    return {id(planned.tensor.rows): number for number, planned in enumerate(plan.tensors)}


def grain(plan: Plan) -> int:
    """Values of one piece; it follows from the plan alone, so that a conversion that is resumed is cut the same way."""
    total = sum(planned.tensor.size for planned in plan.tensors)
    return min(_MOST, max(_FEWEST, total // _PIECES))


def cut(placements: Sequence[Placement], known: Mapping[int, int], values: int) -> tuple[list[Piece], list[Placement]]:
    """Pieces of about `values` values in the order of the file, and what no plan holds (see `numbers`).

    A plan's tensors may be placed under other names and shapes: their rows say what they are.
    """
    pieces: list[Piece] = []
    rest: list[Placement] = []
    shares: list[Share] = []
    held = 0
    for offset, tensor in sorted(placements, key=lambda placement: placement[0]):
        number = known.get(id(tensor.rows))
        if number is None:
            rest.append((offset, tensor))
            continue
        for share in _shares(number, offset, tensor, values):
            shares.append(share)
            held += (share.stop - share.start) * tensor.columns
            if held >= values:
                pieces.append(Piece(tuple(shares)))
                shares, held = [], 0
    return pieces + ([Piece(tuple(shares))] if shares else []), rest


def _shares(number: int, offset: int, tensor: Tensor, values: int) -> Iterator[Share]:
    width = tensor.rows.width
    for start, stop in tensor.pieces(values):
        yield Share(number, start, stop, offset + start * width, (stop - start) * width)
