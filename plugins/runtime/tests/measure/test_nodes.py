from pathlib import Path

import numpy as np
import pytest

from hub_runtime.engine import load
from hub_runtime.measure import Node, Tracer, Values, feed

Seen = dict[tuple[str, str], tuple[tuple[int, ...], Values]]


@pytest.fixture(scope="session")
def seen(tiny: Path) -> Seen:
    """Shape and values of every node of a pass over five tokens, by name and operation."""
    tracer, found = Tracer(), Seen()

    def see(node: Node, _: int) -> None:
        values = node.values()
        if values is not None:
            found[node.name, node.op] = node.shape, values

    with (
        load(tiny, gpu_layers=0) as model,
        model.context(256, threads=1, on_node=tracer) as context,
        tracer.watching(bool, see),
    ):
        feed(context, [5, 6, 7, 8, 9])
    return found


def test_shapes_are_rows_of_values(seen: Seen) -> None:
    assert seen["embd", "GET_ROWS"][0] == (1, 1, 5, 32)
    assert seen["ffn_up-0", "MUL_MAT"][1].shape == (5, 64)
    assert seen["result_output", "MUL_MAT"][1].shape == (1, seen["result_output", "MUL_MAT"][0][-1])
    for shape, values in seen.values():
        assert values.shape == (np.prod(shape[:-1]), shape[-1])


def test_values_that_do_not_lie_in_order_are_read_in_theirs(seen: Seen) -> None:
    (_, tokens, heads, size), rotated = seen["Qcur-0", "ROPE"]
    shape, turned = seen["Qcur-0 (view) (permuted)", "PERMUTE"]
    assert shape == (1, heads, tokens, size)
    expected = rotated.reshape(tokens, heads, size).transpose(1, 0, 2)
    assert np.array_equal(turned.reshape(heads, tokens, size), expected)


def test_values_in_half_precision_are_read(seen: Seen) -> None:
    keys = seen["Kcur-0", "ROPE"][1].reshape(5, -1)
    cached = seen["cache_k_l0 (view)", "SET_ROWS"][1]
    assert np.array_equal(cached[:5], keys.astype(np.float16).astype(np.float32))


def test_what_a_node_is_computed_from(tiny: Path) -> None:
    tracer, sources = Tracer(), dict[str, list[str]]()
    with (
        load(tiny, gpu_layers=0) as model,
        model.context(256, threads=1, on_node=tracer) as context,
        tracer.watching(bool, lambda node, _: sources.__setitem__(node.name, node.sources)),
    ):
        feed(context, [5, 6, 7])
    assert sources["ffn_gate-1"] == ["blk.1.ffn_gate.weight", "ffn_norm-1"]
    assert sources["l_out-0"] == ["ffn_out-0", "ffn_inp-0"]
