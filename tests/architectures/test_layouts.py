import numpy as np
import pytest

from hub.architectures import FAMILIES, usual
from hub.errors import DamagedFile
from hub.ir import F32, Tensor


def _tensor(name: str, *shape: int) -> Tensor:
    return Tensor.from_bytes(name, shape, F32, np.arange(int(np.prod(shape)), dtype=np.float32).tobytes())


def _values(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.frombuffer(tensor.read(), np.float32).reshape(tensor.shape)


@pytest.mark.parametrize(
    ("family", "gate", "up", "down"),
    [
        ("qwen3_moe", "mlp.experts.1.gate_proj", "mlp.experts.1.up_proj", "mlp.experts.1.down_proj"),
        ("mixtral", "block_sparse_moe.experts.1.w1", "block_sparse_moe.experts.1.w3", "block_sparse_moe.experts.1.w2"),
    ],
)
def test_fused_experts_come_apart(family: str, gate: str, up: str, down: str) -> None:
    fused = {
        "model.layers.5.mlp.experts.gate_up_proj": _tensor("gate_up", 3, 8, 2),
        "model.layers.5.mlp.experts.down_proj": _tensor("down", 3, 2, 4),
    }
    both, last = (_values(t) for t in fused.values())
    found = {tensor.name: (source, tensor) for source, tensor in usual(FAMILIES[family], fused)}
    assert len(found) == 9
    expected = {gate: both[1, :4], up: both[1, 4:], down: last[1]}
    for name, values in expected.items():
        assert np.array_equal(_values(found[f"model.layers.5.{name}.weight"][1]), values)
    assert {source for source, _ in found.values()} == set(fused)


def test_other_tensors_keep_their_rows_and_get_the_usual_name() -> None:
    ((source, tensor),) = usual(FAMILIES["llama"], {"layers.0.mlp.up_proj.weight": _tensor("x", 4, 2)})
    assert (source, tensor.name) == ("layers.0.mlp.up_proj.weight", "model.layers.0.mlp.up_proj.weight")


@pytest.mark.parametrize("shape", [(3, 7, 2), (6, 2)])
def test_fused_experts_of_another_shape_are_damaged(shape: tuple[int, ...]) -> None:
    fused = {"model.layers.0.mlp.experts.gate_up_proj": _tensor("gate_up", *shape)}
    with pytest.raises(DamagedFile, match="fused experts"):
        list(usual(FAMILIES["qwen3_moe"], fused))
