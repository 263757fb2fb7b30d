from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub_runtime.engine import load


@pytest.fixture(scope="session")
def encoder(make_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("encoder") / "encoder.gguf", causal=False)


def test_only_what_continues_text_generates(encoder: Path, tiny: Path) -> None:
    for path, generates in ((encoder, False), (tiny, True)):
        with load(path, gpu_layers=0) as model:
            assert model.generates == generates


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("bench", ["-n", 2, "--iterations", 1]),
        ("profile", ["-n", 2, "--iterations", 1]),
        ("trace", ["-p", "a"]),
        ("compare", ["-n", 2]),
        ("perplexity", []),
    ],
)
def test_a_model_that_only_encodes_is_not_measured(
    hub: Any, encoder: Path, tmp_path: Path, command: str, arguments: list[object]
) -> None:
    (tmp_path / "text").write_text("some text", encoding="utf-8")
    more: dict[str, list[object]] = {"compare": [encoder], "perplexity": ["--text", tmp_path / "text"]}
    ran = hub(command, encoder, *more.get(command, []), *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "does not generate text" in ran.err
