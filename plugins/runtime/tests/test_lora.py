"""LoRA adapters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.errors import DamagedFile, UnsupportedFile
from hub_runtime.engine import Adapter
from hub_runtime.loading import Wanted, load_any

pytestmark = pytest.mark.usefixtures("llama")

Floats = NDArray[np.float32]
Make = Callable[..., Path]
NAME, RANK, ALPHA = "blk.1.ffn_up.weight", 2, 4.0


def update(out: int = 64) -> dict[str, Any]:
    """A and B of the update B A, as LoRA has it (Hu et al. 2021), for a weight of shape (out, 32)."""
    random = np.random.default_rng(5)
    a, b = random.normal(size=(RANK, 32)).astype(np.float32), random.normal(size=(out, RANK)).astype(np.float32)
    return {"name": NAME, "alpha": ALPHA, "a": a, "b": b}


def merged(tiny: Path, target: Path, scale: float) -> Path:
    """The model with the update added to its weight."""
    from gguf import GGUFReader

    target.write_bytes(tiny.read_bytes())
    a, b = (update()[name] for name in "ab")
    for tensor in GGUFReader(target, "r+").tensors:
        if tensor.name == NAME:
            tensor.data[:] += scale * ALPHA / RANK * (b @ a)
    return target


def logits(path: Path, *adapters: Adapter) -> Floats:
    with load_any(Wanted(path, gpu_layers=0, lora=adapters)) as loaded, loaded.model.context(64, threads=1) as context:
        batch = context.batch()
        last = batch.add(list(b"adapted"), 0, 0)
        context.decode(batch)
        return np.array(context.logits(last))


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_an_adapter_is_the_model_with_its_update_added(
    make_adapter: Make, tiny: Path, tmp_path: Path, scale: float
) -> None:
    adapter = make_adapter(tmp_path / "lora.gguf", **update())
    adapted, plain = logits(tiny, Adapter(adapter, scale)), logits(tiny)
    assert np.allclose(adapted, logits(merged(tiny, tmp_path / "merged.gguf", scale)), atol=1e-4)
    assert not np.allclose(adapted, plain, atol=1e-2)
    assert np.array_equal(logits(tiny, Adapter(adapter, 0.0)), plain)


def test_two_adapters_add_up(make_adapter: Make, tiny: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "lora.gguf", **update())
    assert np.allclose(
        logits(tiny, Adapter(adapter, 0.25), Adapter(adapter, 0.75)), logits(tiny, Adapter(adapter)), atol=1e-4
    )


def test_a_bridged_model_takes_adapters_too(
    hub: Callable[..., Any], make_adapter: Make, tiny: Path, tiny_apr: Path, tmp_path: Path
) -> None:
    adapter = make_adapter(tmp_path / "lora.gguf", **update())
    options = ("-p", "adapted", "-n", 12, "-q")
    plain = hub("run", tiny, *options)
    first, second = (hub("run", path, *options, "--lora", f"{adapter}=2") for path in (tiny, tiny_apr))
    assert (plain.code, first.code, second.code) == (0, 0, 0)
    assert first.out == second.out != plain.out


def test_an_adapter_for_another_model_or_a_damaged_one_is_refused(
    make_adapter: Make, tiny: Path, tmp_path: Path
) -> None:
    for other in (
        make_adapter(tmp_path / "a.gguf", **update(), architecture="qwen2"),
        make_adapter(tmp_path / "b.gguf", **update(48)),
        tiny,
    ):
        with pytest.raises(UnsupportedFile, match="LoRA"):
            logits(tiny, Adapter(other))
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(make_adapter(tmp_path / "c.gguf", **update()).read_bytes()[:-64])
    with pytest.raises(DamagedFile, match=r"damaged\.gguf"):
        logits(tiny, Adapter(damaged))
