"""What `hub inspect` says about a model: one summary for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hub.architectures import facts, family
from hub.errors import HubError, MissingFact, UnsupportedFile
from hub.inspection._files import size_on_disk
from hub.interface import Describes, Format
from hub.ir import Config, Model, Tensor, Tokenizer
from hub.opening import loading, open_model
from hub.plugins import registry

if TYPE_CHECKING:
    from hub.signing import Claim

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EncodingShare:
    """How much of a model is in one encoding."""

    encoding: str
    tensors: int
    values: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TokenizerSummary:
    """A tokenizer in short: how many tokens and merges, and what the special ids are."""

    kind: str
    pre: str | None
    tokens: int
    merges: int | None
    special: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class InsideFile:
    """A companion file that came with the model."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything `hub inspect` shows; None where the source does not say."""

    path: Path
    model: str
    format: str
    plugin: str
    quantization: str | None
    parameters: int | None
    vocabulary: int | None
    architecture: str | None
    layers: int | None
    hidden_size: int | None
    attention_heads: int | None
    kv_heads: int | None
    head_dim: int | None
    intermediate_size: int | None
    experts: int | None
    experts_per_token: int | None
    context_length: int | None
    rope_theta: float | None
    rope_scaling: Mapping[str, Any] | None
    sliding_window: int | None
    tokenizer: TokenizerSummary | None
    chat_template: bool
    ties: Mapping[str, str]
    naming: str
    license: str | None
    size_bytes: int
    tensor_bytes: int
    tensor_count: int
    encodings: tuple[EncodingShare, ...]
    files: tuple[InsideFile, ...]
    metadata: Mapping[str, Any]
    config: Mapping[str, Any]
    signature: Claim | None
    notes: tuple[str, ...]


class _Facts:
    """Reads a configuration in canonical terms; a value of the wrong type becomes a note and counts as missing."""

    def __init__(self, config: Config) -> None:
        self.notes: list[str] = []
        self.config = config
        try:
            known = family(config)
            self.config = known.facts(config) if known else Config(facts(config))
        except MissingFact as error:
            self.notes.append(str(error))

    def get(self, key: str, kind: type[T]) -> T | None:
        try:
            return self.config.fact(key, kind)
        except MissingFact as error:
            self.notes.append(str(error))
            return None

    @property
    def head_dim(self) -> int | None:
        stated, hidden, heads = (self.get(k, int) for k in ("head_dim", "hidden_size", "num_attention_heads"))
        return stated or (hidden // heads if hidden and heads else None)


def summarize_path(path: Path) -> Summary:
    """The summary of the model at `path`; of a file that is shown and not converted, what its format says about it."""
    with loading(path):
        try:
            return summarize(path, *open_model(path))
        except UnsupportedFile as error:
            return _summarize_described(path, error)


def _summarize_described(path: Path, error: UnsupportedFile) -> Summary:
    """What the format says of a file that it recognises and does not read; `error` when that is nothing."""
    found = registry().find(path)
    described = _described(found, path)
    if described is None:
        raise error
    inner = described.get("metadata") or {}
    metadata = {**inner, **{k: v for k, v in described.items() if k != "metadata"}}
    metadata["architecture"] = metadata.pop("model_type", None)
    metadata.setdefault("name", inner.get("model_name"))
    return summarize(path, found, Model({}, metadata=metadata, notes=(error.message,)))


def _described(found: Format, path: Path) -> Mapping[str, Any] | None:
    try:
        return found.describe(path) if isinstance(found, Describes) else None
    except HubError:  # nothing can be shown either; the reader's error is the better one
        return None


def summarize(path: Path, found: Format, model: Model) -> Summary:
    """The summary of `model`, read from `path` by `found`. Reads the tokenizer, no tensor."""
    from hub.signing import claim

    known = _Facts(model.config)
    get = known.get
    tokenizer = model.tokenizer.get()
    metadata = model.metadata
    return Summary(
        path=path,
        model=str(metadata.get("name") or path.resolve().stem),
        format=str(metadata.get("format") or found.title or found.name),
        plugin=found.name,
        quantization=quantization(model),
        parameters=model.parameters if model.tensors else None,
        vocabulary=get("vocab_size", int) or (len(tokenizer) if tokenizer else None),
        architecture=get("model_type", str) or _text(metadata.get("architecture")),
        layers=get("num_hidden_layers", int),
        hidden_size=get("hidden_size", int),
        attention_heads=get("num_attention_heads", int),
        kv_heads=get("num_key_value_heads", int) or get("num_attention_heads", int),
        head_dim=known.head_dim,
        intermediate_size=get("intermediate_size", int),
        experts=get("num_experts", int),
        experts_per_token=get("num_experts_per_tok", int),
        context_length=get("max_position_embeddings", int),
        rope_theta=get("rope_theta", float),
        rope_scaling=get("rope_scaling", dict),
        sliding_window=get("sliding_window", int),
        tokenizer=_tokenizer(tokenizer),
        chat_template=bool(tokenizer and tokenizer.chat_template),
        ties=model.ties,
        naming=model.naming,
        license=_text(metadata.get("license")),
        size_bytes=size_on_disk(path, model),
        tensor_bytes=model.nbytes,
        tensor_count=len(model.tensors),
        encodings=shares(model.tensors.values()),
        files=tuple(InsideFile(name, len(data)) for name, data in model.files.items()),
        metadata=metadata,
        config=model.config,
        signature=claim(path),
        notes=(*model.notes, *dict.fromkeys(known.notes)),
    )


def shares(tensors: Any) -> tuple[EncodingShare, ...]:
    """Tensors, values and bytes by encoding, the largest first."""
    count: Counter[str] = Counter()
    values: Counter[str] = Counter()
    nbytes: Counter[str] = Counter()
    for tensor in tensors:
        name = tensor.encoding.name
        count[name] += 1
        values[name] += tensor.size
        nbytes[name] += tensor.nbytes
    return tuple(EncodingShare(n, count[n], values[n], size) for n, size in nbytes.most_common())


def quantization(model: Model) -> str | None:
    """What the weights are encoded as: the source's own word for a mixture, else the encoding of most bytes.

    The source's word counts only while the model holds quantized tensors at all.
    """
    stated = model.metadata.get("quantization")
    weights: list[Tensor] = [t for t in model.tensors.values() if len(t.shape) > 1] or [*model.tensors.values()]
    found = shares(weights)
    if not found:
        return None
    if isinstance(stated, str) and stated and any(t.encoding.quantized for t in weights):
        return stated
    return found[0].encoding if len(found) == 1 else f"mostly {found[0].encoding}"


def _tokenizer(tokenizer: Tokenizer | None) -> TokenizerSummary | None:
    if tokenizer is None:
        return None
    merges = None if tokenizer.merges is None else len(tokenizer.merges)
    return TokenizerSummary(tokenizer.kind, tokenizer.pre, len(tokenizer), merges, tokenizer.special)


def _text(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = [f"{k} {v}" for k, v in value.items()]
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or None
    return None if value is None else str(value)
