"""Verifiers are tried on what they must catch: each fault is found, named, and ends with exit code 1."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Hub = Callable[..., "subprocess.CompletedProcess[str]"]
Weights = dict[str, NDArray[np.float32]]

Q, K, EMBEDDING = "blk.0.attn_q.weight", "blk.0.attn_k.weight", "token_embd.weight"


def flip(weights: Weights) -> None:
    weights[K].reshape(-1).view(np.uint32)[100] ^= np.uint32(1)


def swap(weights: Weights) -> None:
    weights["blk.0.ffn_up.weight"], weights["blk.0.ffn_gate.weight"] = (
        weights["blk.0.ffn_gate.weight"],
        weights["blk.0.ffn_up.weight"],
    )


def scale(weights: Weights) -> None:
    weights[EMBEDDING][3] *= np.float32(1.001)


def drop(weights: Weights) -> None:
    del weights["output.weight"]


DAMAGE: dict[str, tuple[Callable[[Weights], None], str]] = {
    "one flipped bit": (flip, "model.layers.0.self_attn.k_proj.weight"),
    "two swapped tensors": (swap, "model.layers.0.mlp.up_proj.weight"),
    "one scaled row": (scale, "model.embed_tokens.weight"),
    "one dropped tensor": (drop, "lm_head.weight"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_diff_names_the_tensor_across_formats(
    hub: Hub, tiny_gguf: Path, make_gguf: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    damage, culprit = DAMAGE[name]
    make_gguf(tmp_path / "damaged.gguf", damage=damage)
    assert hub("convert", "damaged.gguf", "damaged.apr").returncode == 0
    assert hub("convert", tiny_gguf, "whole.safetensors").returncode == 0
    assert hub("diff", tiny_gguf, "whole.safetensors").returncode == 0
    for damaged in ("damaged.gguf", "damaged.apr"):
        for whole in (tiny_gguf, "whole.safetensors"):
            text, document = hub("diff", whole, damaged), hub("diff", whole, damaged, "--json")
            assert (text.returncode, document.returncode) == (1, 1)
            assert culprit in text.stdout
            assert culprit in json.dumps(json.loads(document.stdout))


def test_diff_names_one_changed_merge(
    hub: Hub, tiny_gguf: Path, make_gguf: Callable[..., Path], tmp_path: Path
) -> None:
    make_gguf(tmp_path / "damaged.gguf", merge="l o")
    done = hub("diff", tiny_gguf, "damaged.gguf")
    assert done.returncode == 1
    assert "merges[1]" in done.stdout


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("fault", "culprit"),
    [
        ("flip", "model.layers.0.mlp.down_proj.weight"),
        ("swap", "model.embed_tokens.weight"),
        ("scale", "model.embed_tokens.weight"),
        ("drop", "model.norm.weight"),
        ("merge", "tokenizer.merges[1]"),
    ],
)
def test_convert_catches_a_writer_that_commits_one_fault(
    hub: Hub, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, culprit: str
) -> None:
    assert hub("convert", tiny_gguf, "whole.toy").returncode == 0
    monkeypatch.setenv("TOY_FAULT", fault)
    text, document = hub("convert", tiny_gguf, "out.toy"), hub("convert", tiny_gguf, "out.toy", "--json")
    assert (text.returncode, document.returncode) == (1, 1)
    failures = json.loads(document.stdout)["failures"]
    assert any(culprit in failure for failure in failures), failures
    assert failures[0] in text.stderr
    assert not (tmp_path / "out.toy").exists()
    unverified = hub("convert", tiny_gguf, "out.toy", "--no-verify")
    assert unverified.returncode == 0
    assert "nothing was verified" in unverified.stdout
