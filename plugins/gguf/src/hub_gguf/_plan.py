"""What writing a model as GGUF will do, decided before a byte is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hub.errors import MissingFact, UnsupportedFile
from hub.interface import Fact, Options, Plan, PlannedTensor
from hub.ir import Model, Tensor, Tokenizer
from hub.recipes import RECIPES
from hub_gguf._block import Block, fit, put_back, read_block
from hub_gguf._carrying import with_carried
from hub_gguf._draft import Draft, Keys, read_again
from hub_gguf._metadata import QUANTIZATION_VERSION, file_type, general_keys, read_metadata
from hub_gguf._tokenizer import IMPLIED_PRE, tokenizer_keys
from hub_gguf.arch import from_canonical
from hub_gguf.container import MAX_DIMS, Value, ValueType, shards

ARCHITECTURE, FILE_TYPE = "general.architecture", "general.file_type"
VERSION = "general.quantization_version"
PRE = "tokenizer.ggml.pre"

# Said of the file it was read from, or by a key of its own.
_OF_THE_FILE = frozenset({"format", "quantization", "architecture", "pooling", "generation"})

_NO_KEY = "GGUF has no key for it"

# Where llama.cpp's conversion script writes the file type: before these keys of an architecture, for some not at all.
_AFTER_FILE_TYPE = (
    "vocab_size", "attention.causal", "attn_logit_softcapping", "attention.sliding_window",
    "expert_feed_forward_length",
)  # fmt: skip
_WITHOUT_FILE_TYPE = frozenset({"gptneox"})


@dataclass(frozen=True)
class Document:
    """What a write needs beside the tensors: keys, version, and the tensors of each file in their order."""

    keys: Mapping[str, Value]
    version: int
    parts: Sequence[Sequence[Tensor]]


def plan(model: Model, options: Options) -> Plan:
    """The plan for `model`. `MissingFact` when a key needs what is nowhere, `DamagedFile` for a broken source block."""
    draft = _drafted(model, _tokenizer(model, options))
    draft.recipe = options.recipe
    _check_dimensions(draft)
    _fit_tensors(draft)
    _complete_keys(draft)
    draft.facts += _lost_metadata(draft)
    keys = with_carried(draft)
    tensors = [p.tensor for p in draft.tensors]
    parts = [tensors] if options.shard_size is None else shards(keys, tensors, options.shard_size)
    if len(parts) > 1:
        draft.notes.append(f"split into {len(parts)} files; any of them opens all")
    long = [t.name for t in tensors if len(t.name.encode()) >= 64]
    if long:
        draft.notes.append(f"llama.cpp reads names below 64 bytes; {len(long)} are longer, the first is {long[0]!r}")
    version = draft.block.version if draft.block else 3
    return Plan("gguf", draft.tensors, draft.facts, draft.unmapped, draft.notes, Document(keys, version, parts))


def _tokenizer(model: Model, options: Options) -> Tokenizer | None:
    tokenizer = model.tokenizer.get()
    if tokenizer is None:
        if options.pre is not None:
            raise UnsupportedFile("--pre has no effect: the model has no tokenizer", file=model.path)
        return None
    if options.pre is not None:
        tokenizer = replace(tokenizer, pre=options.pre)
    elif tokenizer.kind == "bpe" and tokenizer.pre is None and "gguf" not in model.source.get():
        raise MissingFact(
            "nothing says which pre-tokenizer the vocabulary is for", file=model.path, hint="say it with --pre"
        )
    return tokenizer


def _drafted(model: Model, tokenizer: Tokenizer | None) -> Draft:
    block = read_block(model, tokenizer)
    if model.naming == "native":
        return _drafted_native(model, tokenizer, block)
    native = from_canonical(model)
    draft = Draft(
        model, tokenizer, block, native.arch, list(native.tensors), dict(native.keys), native.dropped, [], [],
        list(native.notes),
    )  # fmt: skip
    for name in native.unmapped:
        if block is not None and name in block.tensors:  # one that the GGUF had under this very name
            draft.tensors.append(PlannedTensor(model.tensors[name], (name,)))
        else:
            draft.unmapped.append(name)
    draft.tensors += _copies(draft)
    return draft


def _copies(draft: Draft) -> list[PlannedTensor]:
    """Tied tensors that the GGUF the model came from held a second time."""
    model, block = draft.model, draft.block
    planned = {p.tensor.name for p in draft.tensors}
    if block is None or not model.ties or planned >= block.tensors.keys():
        return []
    copies = {alias: model.tensors[name].named(alias) for alias, name in model.ties.items() if name in model.tensors}
    whole = from_canonical(replace(model, tensors={**model.tensors, **copies}, ties={}))
    again = [p for p in whole.tensors if p.tensor.name not in planned and p.tensor.name in block.tensors]
    return [
        PlannedTensor(p.tensor, (), "a copy of the tensor it is tied to") for p in again if copies.keys() & p.sources
    ]


def _drafted_native(model: Model, tokenizer: Tokenizer | None, block: Block | None) -> Draft:
    arch = model.metadata.get("architecture") or model.config.family
    if block is None and not arch:
        raise MissingFact(
            "nothing says the architecture", file=model.path, hint="state it with --assume model_type=NAME"
        )
    tensors = [PlannedTensor(tensor, (name,)) for name, tensor in model.tensors.items()]
    notes = [] if block else ["the architecture is in no table: llama.cpp may not know the names that are kept"]
    return Draft(model, tokenizer, block, str(arch), tensors, {}, {}, [], [], notes)


def _check_dimensions(draft: Draft) -> None:
    for planned in draft.tensors:
        if len(planned.tensor.shape) > MAX_DIMS:
            shape = list(planned.tensor.shape)
            raise UnsupportedFile(
                f"GGUF holds at most {MAX_DIMS} dimensions, {shape} has more", tensor=planned.tensor.name
            )


def _lost_metadata(draft: Draft) -> Iterator[Fact]:
    """What a model card says and no key of GGUF does, said aloud; a card that is carried keeps it."""
    if draft.block is not None or "README.md" in draft.model.files:
        return
    held = read_metadata({key: value.plain for key, value in draft.keys.items()})
    for key, value in draft.model.metadata.items():
        if key not in _OF_THE_FILE and held.get(key) != value:
            yield Fact(key, "mapped" if key in held else "dropped", f"as {held[key]!r}" if key in held else _NO_KEY)


def _fit_tensors(draft: Draft) -> None:
    draft.tensors = [fit(planned, draft.model, draft.block) for planned in draft.tensors]
    if draft.block is not None:
        draft.tensors = put_back(draft.tensors, draft.block)


def _complete_keys(draft: Draft) -> None:
    """From the keys of the architecture to all keys that are the model's own."""
    if draft.block is not None:
        draft.keys = _kept_keys(draft, draft.block)
        return
    shapes = [(p.tensor.name, p.tensor.shape) for p in draft.tensors]
    keys = {ARCHITECTURE: Value(ValueType.STRING, draft.arch), **general_keys(draft.model, shapes)}
    keys |= _with_file_type(draft)
    keys[VERSION] = Value(ValueType.UINT32, QUANTIZATION_VERSION)
    draft.keys = keys | ({} if draft.tokenizer is None else tokenizer_keys(draft.tokenizer))
    draft.facts += [Fact(key, "mapped") for key in draft.keys]


def _with_file_type(draft: Draft) -> Keys:
    """The keys of the architecture with the file type among them, where the script has it."""
    if draft.arch in _WITHOUT_FILE_TYPE:
        return draft.keys
    names = list(draft.keys)
    later = {f"{draft.arch}.{name}" for name in _AFTER_FILE_TYPE}
    at = next((i for i, name in enumerate(names) if name in later), len(names))
    head = {name: draft.keys[name] for name in names[:at]}
    return head | {FILE_TYPE: _file_type(draft)} | draft.keys


def _file_type(draft: Draft) -> Value:
    if draft.recipe in RECIPES:
        return Value(ValueType.UINT32, RECIPES[draft.recipe].number)
    return Value(ValueType.UINT32, file_type((p.tensor.encoding, p.tensor.shape) for p in draft.tensors))


def _kept_keys(draft: Draft, block: Block) -> Keys:
    keys = dict(block.keys)
    changed = _changed_keys(draft, keys) | _changed_pre(draft.tokenizer, keys)
    if any(block.encoding(p.tensor.name) != p.tensor.encoding.name for p in draft.tensors):
        if FILE_TYPE in keys or draft.recipe is not None:
            changed[FILE_TYPE] = _file_type(draft)
        if VERSION not in keys and any(p.tensor.encoding.quantized for p in draft.tensors):
            changed[VERSION] = Value(ValueType.UINT32, QUANTIZATION_VERSION)
    draft.facts += [Fact(key, "kept") for key in keys if key not in changed]
    draft.facts += [Fact(key, "mapped", _became(keys.get(key), value)) for key, value in changed.items()]
    return keys | changed


def _changed_pre(tokenizer: Tokenizer | None, keys: Keys) -> Keys:
    """The pre-tokenizer, where the model names another one than the file did (told by the user, or edited since)."""
    if tokenizer is None or tokenizer.pre is None or "tokenizer.ggml.model" not in keys:
        return {}
    stated = keys[PRE].plain if PRE in keys else IMPLIED_PRE.get(keys["tokenizer.ggml.model"].plain)
    return {} if stated == tokenizer.pre else {PRE: Value(ValueType.STRING, tokenizer.pre)}


def _became(old: Value | None, new: Value) -> str:
    return f"was {'absent' if old is None else repr(old.plain)}, is {new.plain!r}"


def _changed_keys(draft: Draft, keys: Keys) -> Keys:
    """Keys of the architecture whose facts were changed since the file was read, by --assume or in a config.json."""
    if draft.model.naming == "native":
        return {}
    base = read_again(draft, keys).config
    if all(base.get(key) == value for key, value in draft.model.config.items()):
        return {}
    before = from_canonical(replace(draft.model, config=base)).keys
    after = from_canonical(replace(draft.model, config=base.merged(draft.model.config))).keys
    return {key: value for key, value in after.items() if before.get(key) != value and keys.get(key) != value}
