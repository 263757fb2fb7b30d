"""A real model in three formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Hub = Callable[..., Any]
PROMPTS = ("The capital of France is", "def fibonacci(n):", "Once upon a time")


@pytest.fixture(scope="module")
def formats(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SmolLM2 in every format, made by hub."""
    from hub.cli import main

    folder = tmp_path_factory.mktemp("smollm2")
    made = {"gguf": smollm2, "apr": folder / "model.apr", "safetensors": folder / "model"}
    for name in ("apr", "safetensors"):
        assert main(["convert", str(smollm2), str(made[name])]) == 0
    return made


@pytest.fixture(autouse=True)
def kept_cache(formats: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """One cache for all tests here: the models are converted once."""
    monkeypatch.setenv("HUB_CACHE", str(formats["apr"].with_name("cache")))


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("heat", [(), ("--temperature", 0.8)], ids=["greedy", "drawn"])
def test_gguf_and_apr_say_the_same(hub: Hub, formats: dict[str, Path], prompt: str, heat: tuple[object, ...]) -> None:
    options = ("-p", prompt, "-n", 24, "--seed", 42, "--quiet", "--raw", *heat)
    ran = [hub("run", formats[name], *options) for name in ("gguf", "apr")]
    assert ran[0].out == ran[1].out
    assert all(r.code == 0 and r.err == "" for r in ran)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_first_token_is_the_same_in_full_precision(
    document: Callable[..., Any], formats: dict[str, Path], prompt: str
) -> None:
    first = {
        n: document("run", "run", formats[n], "-p", prompt, "-n", 1, "--raw")["tokens"] for n in ("gguf", "safetensors")
    }
    assert first["gguf"] == first["safetensors"]


def test_every_format_chats(hub: Hub, formats: dict[str, Path]) -> None:
    said = {n: hub("run", p, "-p", "What is two plus two?", "-n", 24, "-q") for n, p in formats.items()}
    assert all((r.code, r.err) == (0, "") and "two plus two" in r.out.lower() for r in said.values())
    assert said["gguf"].out == said["apr"].out


def test_every_format_passes_all_that_applies(hub: Hub, formats: dict[str, Path]) -> None:
    for path in formats.values():
        ran = hub("check", path)
        assert (ran.code, "Inference       PASS" in ran.out) == (0, True), ran.out


def test_a_batch_says_what_each_prompt_says_alone(
    document: Callable[..., Any], formats: dict[str, Path], tmp_path: Path
) -> None:
    """llama.cpp's kernels for Q4_1 do not depend on the size of a batch."""
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS * 2))
    said = document("batch", "run", formats["apr"], "--batch", tmp_path / "prompts.txt", "-n", 24, "--raw")
    alone = [document("run", "run", formats["gguf"], "-p", p, "-n", 24, "--raw")["tokens"] for p in PROMPTS]
    assert [a["tokens"] for a in said["answers"]] == alone * 2
    assert said["setup"]["sequences"] == 6
