"""Promises about models on the disk: what is in a file, and that two hold the same."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import gguf
import numpy as np
from safetensors import safe_open

from tests.course import course_sized, document, model, tree
from tests.course.check import CAPSTONE, Check, below, promise, validated
from tests.course.scene import FILE, ORIGINAL, REPOSITORY, Seen

MAGIC = {"gguf": b"GGUF", "apr": b"APR\0", "safetensors": b""}
SUMMARY = ("Model", "Parameters", "Vocabulary", "Architecture", "Layers", "Hidden Size", "Attention Heads")
# Of each pair the first is the name in SafeTensors, the second in GGUF; their kinds are Q4_K, Q6_K and Q6_K.
DECODED = {"0.mlp.gate_proj": "0.ffn_gate", "1.mlp.down_proj": "1.ffn_down", "1.self_attn.v_proj": "1.attn_v"}


def is_served(path: str) -> Check:
    """A file is byte for byte what the hub serves."""
    name = FILE.format("q4_k_m")

    @promise(f"`{path}` has the bytes that the hub serves as `{name}`")
    def same(seen: Seen) -> None:
        assert (seen.folder / path).read_bytes() == seen.scene.served[REPOSITORY][name]

    return same


def artifacts(path: str) -> Check:
    """What was pulled has all that a model is made of (lesson 1.1)."""

    @promise(f"`{path}` has weights, tokenizer, config and model card, byte for byte as served")
    def complete(seen: Seen) -> None:
        found = {p.name: p.read_bytes() for p in (seen.folder / path).iterdir()}
        assert {"model.safetensors", "tokenizer.json", "config.json", "README.md"} <= found.keys()
        assert all(seen.scene.served[ORIGINAL][name] == data for name, data in found.items())

    return complete


def expected_output() -> dict[str, str]:
    """The labels and values under "Expected Output" in 1.1."""
    (block,) = [b for b in document.blocks(CAPSTONE) if b.text.startswith("Model: ")]
    return dict(pairs(block.text))


def pairs(text: str) -> list[tuple[str, str]]:
    """The lines "label: value" of a text."""
    return [(label, value) for label, colon, value in (line.partition(": ") for line in text.splitlines()) if colon]


@promise("the labels of Expected Output in its order, with its words; the sizes are those of the small model served")
def as_expected(seen: Seen) -> None:
    """`inspect` says what the course says it does."""
    wanted = expected_output()
    sizes = {"Layers": model.LAYERS, "Hidden Size": model.HIDDEN, "Attention Heads": model.HEADS}
    counts = {"Parameters": "4.9M", "Vocabulary": f"{model.TOKENS:,} tokens"}
    found = pairs(seen.out)[: len(wanted)]
    assert [label for label, _ in found] == list(wanted)
    assert dict(found) == wanted | counts | {label: str(size) for label, size in sizes.items()}


@promise("of a GGUF with the course's own sizes and vocabulary, its weights 0: Expected Output word for word")
def word_for_word(seen: Seen) -> None:
    """The same, of what the course downloads."""
    path = course_sized.write(seen.scene.root / "sized.gguf", seen.scene.vocabulary, expected_output()["Model"])
    found = seen.scene.hub("inspect", path).stdout.splitlines()
    path.unlink()
    assert found[: len(expected_output())] == [f"{label}: {value}" for label, value in expected_output().items()]


def described_as(other: str) -> Check:
    """The metadata is that of another model (1.2: "Metadata preserved")."""

    @promise(f"name, architecture, vocabulary and sizes as `{other}` has them")
    def same(seen: Seen) -> None:
        wanted, found = (dict(pairs(text)) for text in (seen.scene.hub("inspect", other).stdout, seen.out))
        assert {label: found[label] for label in SUMMARY} == {label: wanted[label] for label in SUMMARY}

    return same


@promise("one JSON document that fits `hub/schemas/inspect.json`, of an APR of qwen2 with the vocabulary of its source")
def as_document(seen: Seen) -> None:
    """`inspect --json`."""
    found = validated(json.loads(seen.out), "inspect")
    assert (found["architecture"], found["vocabulary"], found["layers"]) == ("qwen2", model.TOKENS, model.LAYERS)
    assert found["format"].startswith("APR")


def converted(source: str, target: str) -> Check:
    """The result holds the source's model (1.2: "Tensor count matches original")."""
    kind = target.rpartition(".")[2]

    @promise(f"{kind} by content; verified; the tensor counts match; `hub diff`: every value, key and token equal")
    def whole(seen: Seen) -> None:
        assert (seen.folder / target).read_bytes()[: len(MAGIC[kind])] == MAGIC[kind]
        assert "Verified: yes" in seen.out
        found = validated(seen.scene.document("diff", seen.folder / source, seen.folder / target), "diff")
        assert found["equal"]
        counts = found["counts"]
        assert counts["tensors_a"] == counts["tensors_b"] == counts["compared"] > 0 == counts["facts_differ"]

    return whole


@promise("the `gguf` and `safetensors` packages count as many tensors, and decode the same values")
def independently(seen: Seen) -> None:
    """The same, of strangers."""
    models = seen.scene.capstone / "models"
    tensors = {t.name: t for t in gguf.GGUFReader(models / "qwen2.5-coder-0.5b.gguf").tensors}
    with safe_open(models / "qwen2.5-coder-0.5b.safetensors", "np") as file:
        assert len(tensors) == len(file.keys())
        for ours, theirs in DECODED.items():
            block = tensors[f"blk.{theirs}.weight"]
            found = file.get_tensor(f"model.layers.{ours}.weight")
            np.testing.assert_array_equal(found, gguf.dequantize(block.data, block.tensor_type))


def smaller(small: str, large: str) -> Check:
    """One file is smaller than another (Troubleshooting: "GGUF (quantized) < APR < SafeTensors (F32)")."""

    @promise(f"`{small}` is smaller than `{large}`")
    def ordered(seen: Seen) -> None:
        assert (seen.folder / small).stat().st_size < (seen.folder / large).stat().st_size

    return ordered


@promise("the ten stages of 1.4, in order; all pass, but a checksum that the format does not have is SKIP")
def ten_stages(seen: Seen) -> None:
    """`check` goes through what the course lists."""
    wanted = re.findall(r"^\d+\. (.+)$", below("**Validation Stages:**"), re.MULTILINE)
    found = re.findall(r"^ ?\d+\. +(\S.*?) +(PASS|SKIP|FAIL)\b", seen.out, re.MULTILINE)
    assert len(wanted) == len(found) == 10
    assert [w for w, (title, _) in zip(wanted, found, strict=True) if not w.startswith(title)] == []
    assert {title for title, outcome in found if outcome != "PASS"} <= {"Checksum"}
    assert seen.out.splitlines()[-1].startswith("PASS: ")


@promise("tensors lie at multiples of 64, and the checksum is right")
def aligned_and_summed(seen: Seen) -> None:
    """What the stages say of APR alone."""
    assert re.search(r"alignment +PASS +.*\b64\b", seen.out)
    assert re.search(r"Checksum +PASS ", seen.out)


@promise("the verdict is VALID")
def valid(seen: Seen) -> None:
    """`validate` is content with every value."""
    assert seen.out.splitlines()[-1].startswith("VALID: ")


def passes(path: str) -> Check:
    """`check` passes what the line made, inference included."""

    @promise(f"`hub check {path}` passes, inference included")
    def sound(seen: Seen) -> None:
        done = seen.scene.hub("check", seen.folder / path)
        assert done.returncode == 0, done.stdout
        assert re.search(r"Inference +PASS ", done.stdout)

    return sound


def site(path: str, source: str) -> Check:
    """A static site that runs the model in a browser."""

    @promise(f"`{path}` is a site: page, llama.cpp as WebAssembly, and a model equal to `{source}` by `hub diff`")
    def complete(seen: Seen) -> None:
        folder = seen.folder / path
        listed = json.loads((folder / "site.json").read_text(encoding="utf-8"))
        assert {"index.html", "wllama/wllama.wasm"} <= {one["file"] for one in listed["files"]}
        for one in (*listed["files"], *listed["model"]["parts"]):
            assert sha256((folder / one["file"]).read_bytes()).hexdigest() == one["sha256"], one["file"]
        whole = seen.scene.root / "whole.apr"
        whole.write_bytes(b"".join((folder / one["file"]).read_bytes() for one in listed["model"]["parts"]))
        done = seen.scene.hub("diff", seen.folder / source, whole)
        assert done.returncode == 0, done.stdout

    return complete


@promise("every file of the drawing in 7.2 is there")
def deliverables(seen: Seen) -> None:
    """The capstone's folder is complete."""
    assert [path for path in tree.files("Deployment Artifacts") if not (seen.scene.root / path).is_file()] == []
