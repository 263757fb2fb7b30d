"""A tiny random llama with a vocabulary of bytes, and what else tests of the runtime share."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

import hub_runtime
from hub.cli import main
from hub.plugins import registry
from hub_runtime.engine import LoadedModel, Slots, load

SCHEMAS = Path(hub_runtime.__file__).parent / "schemas"
HIDDEN, FFN, LAYERS, HEADS, KV, CTX = 32, 64, 2, 4, 2, 512
LONG = "a piece of the vocabulary that is far longer than thirty-two bytes"
MERGED = "ÿÿ"  # llama.cpp wants a merge; these two bytes are in no text
SPECIAL = ("<s>", "</s>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|user|>{% elif m.role == 'assistant' %}"
    "<|assistant|>{% endif %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="session")
def llama() -> Any:
    """The module llama_cpp; skips where llama-cpp-python is not installed."""
    return pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")


def alphabet() -> list[str]:
    """GPT-2's printable character for each byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [b for b in range(256) if b not in kept]
    table = {b: chr(b) for b in kept} | {b: chr(256 + i) for i, b in enumerate(moved)}
    return [table[b] for b in range(256)]


def write_tiny(
    path: Path,
    *,
    template: str | None = TEMPLATE,
    seed: int = 3,
    scale: float = 1.0,
    causal: bool = True,
    long: str = LONG,
    middle: tuple[int, int, int] | None = None,
    ctx: int = CTX,
    words: Sequence[str] | None = None,
) -> Path:
    """A llama of two layers in F32; `scale` sharpens its logits; without `causal` it encodes; `long` is token 260.

    `middle` are the tokens for filling in the middle: prefix, suffix, middle. `words` make it a SentencePiece
    vocabulary, of these and nothing but fillers.
    """
    import gguf

    tokens = [*alphabet(), *SPECIAL, long, MERGED]
    if words is not None:
        tokens = [*words, *(f"filler{i}" for i in range(len(tokens) - len(words)))]
    kv = KV * HIDDEN // HEADS
    layer = {"attn_norm": (HIDDEN,), "attn_q": (HIDDEN, HIDDEN), "attn_k": (kv, HIDDEN), "attn_v": (kv, HIDDEN),
             "attn_output": (HIDDEN, HIDDEN), "ffn_norm": (HIDDEN,), "ffn_gate": (FFN, HIDDEN), "ffn_up": (FFN, HIDDEN),
             "ffn_down": (HIDDEN, FFN)}  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {f"blk.{i}.{n}": s for i in range(LAYERS) for n, s in layer.items()}
    shapes |= {"token_embd": (len(tokens), HIDDEN), "output_norm": (HIDDEN,), "output": (len(tokens), HIDDEN)}
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(ctx)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    if not causal:
        writer.add_causal_attention(False)
    writer.add_vocab_size(len(tokens))
    _add_vocabulary(writer, tokens, spm=words is not None)
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(257)
    if template is not None:
        writer.add_chat_template(template)
    for name, token in zip(("pre", "suf", "mid"), middle or (), strict=False):
        writer.add_uint32(f"tokenizer.ggml.fim_{name}_token_id", token)
    for name, shape in shapes.items():
        values = np.ones(shape) if "norm" in name else random.normal(size=shape) / np.sqrt(shape[-1])
        if name == "output":
            values[256:] = 0  # never the likeliest: nothing ends before it is full
            values *= scale
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: Any, tokens: list[str], *, spm: bool) -> None:
    writer.add_tokenizer_model("llama" if spm else "gpt2")
    writer.add_token_list(tokens)
    if spm:
        writer.add_token_types([6 if token.startswith("<0x") else 1 for token in tokens])
        writer.add_token_scores([0.0] * len(tokens))
    else:
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_types([1] * 256 + [3] * len(SPECIAL) + [4, 1])
        writer.add_token_merges([" ".join(MERGED)])


@pytest.fixture(scope="session")
def make_tiny() -> Callable[..., Path]:
    """`write_tiny` itself, for tests that want another one."""
    return write_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as GGUF."""
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


def write_adapter(
    path: Path, *, name: str, alpha: float, a: NDArray[np.float32], b: NDArray[np.float32], architecture: str = "llama"
) -> Path:
    """A LoRA adapter that adds alpha / rank B A to the tensor `name`."""
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    writer.add_tensor(f"{name}.lora_a", a)
    writer.add_tensor(f"{name}.lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="session")
def make_adapter() -> Callable[..., Path]:
    """`write_adapter` itself."""
    return write_adapter


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter for the tiny model that changes little."""
    a, b = np.full((1, HIDDEN), 1e-6, np.float32), np.ones((FFN, 1), np.float32)
    return write_adapter(tmp_path / "adapter.gguf", name="blk.0.ffn_up.weight", alpha=1, a=a, b=b)


@pytest.fixture(scope="session")
def tiny_apr(tiny: Path) -> Path:
    """The tiny model as APR, made by hub."""
    target = tiny.with_suffix(".apr")
    ran = run("convert", tiny, target)
    assert ran.code == 0, ran
    return target


@pytest.fixture(scope="session")
def model(llama: Any, tiny: Path) -> Iterator[LoadedModel]:
    """The tiny model in memory."""
    assert llama
    with load(tiny, gpu_layers=0) as loaded:
        yield loaded


@pytest.fixture
def slots(model: LoadedModel) -> Iterator[Slots]:
    """Three slots of the tiny model, on one thread."""
    with model.context(CTX, sequences=3, threads=1) as context:
        yield Slots(context)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of each test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("HUB_CACHE", str(folder))
    monkeypatch.delenv("HUB_CACHE_SIZE", raising=False)
    return folder


LISTENING = """
import os
from pathlib import Path
from hub.errors import HubError
from hub.hookspecs import hookimpl

@hookimpl
def hub_before_load(path, use):
    with open(os.environ["HEARD"], "a") as file:
        print(use, Path(path).name, file=file)
    if Path(path).name == os.environ.get("REFUSED"):
        raise HubError("nobody signed it", file=path)
"""


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """A plugin that hears of every model before it is read; `heard()` is what it heard since it was asked last."""
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "listening_plugin.py").write_text(LISTENING)
    monkeypatch.syspath_prepend(tmp_path / "plugin")
    paths = filter(None, (str(tmp_path / "plugin"), os.environ.get("PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))  # for programs of their own
    monkeypatch.setenv("HUB_PLUGINS", "listening_plugin")
    monkeypatch.setenv("HEARD", str(tmp_path / "heard"))
    registry.cache_clear()

    def since() -> list[str]:
        lines = (tmp_path / "heard").read_text().splitlines()
        (tmp_path / "heard").write_text("")
        return lines

    yield since
    monkeypatch.undo()
    registry.cache_clear()


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct as GGUF, where HUB_SMOLLM2 says it lies."""
    path = os.environ.get("HUB_SMOLLM2")
    if not path:
        pytest.skip("HUB_SMOLLM2 names no SmolLM2-135M-Instruct GGUF")
    return Path(path)


@dataclass(frozen=True)
class Ran:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


def run(*args: object) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(a) for a in args])
    return Ran(code, out.getvalue(), err.getvalue())


@pytest.fixture(name="hub")
def program() -> Callable[..., Ran]:
    """The program; skips where the package, and with it its commands, is not installed."""
    from hub.cli._extensions import extensions

    if "run" not in extensions():
        pytest.skip("hub-runtime is not installed: hub has no command run")
    return run


@pytest.fixture
def document(hub: Callable[..., Ran]) -> Callable[..., Any]:
    """`document(name, *args)`: the JSON document of a command, held against the schema `name`; it must succeed."""

    def checked(name: str, *args: object) -> Any:
        ran = hub(*args, "--json")
        assert ran.code == 0, ran
        found = json.loads(ran.out)
        assert next(iter(found)) == "schema"
        assert found["schema"] == f"hub.{name}/1"
        schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(found)
        return found

    return checked
