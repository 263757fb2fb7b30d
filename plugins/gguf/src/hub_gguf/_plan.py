"""What writing a model as GGUF will do, decided before a byte is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

from hub import codecs
from hub.errors import HubError, MissingFact, UnsupportedFile
from hub.interface import Fact, Options, Plan, PlannedTensor
from hub.ir import Change, Config, Model, Tensor, Tokenizer
from hub_gguf import _carried as carried
from hub_gguf._block import SMALL, Block, fit, put_back, read_block, settle
from hub_gguf._encodings import narrowed
from hub_gguf._metadata import QUANTIZATION_VERSION, file_type, general_keys
from hub_gguf._read import config_json
from hub_gguf._tokenizer import tokenizer_keys
from hub_gguf.arch import Canonical, from_canonical, to_canonical
from hub_gguf.container import Value, ValueType, shards

ARCHITECTURE, FILE_TYPE = "general.architecture", "general.file_type"
VERSION = "general.quantization_version"
Keys = dict[str, Value]

# Where llama.cpp's conversion script writes the file type: before these keys of an architecture, for some not at all.
_AFTER_FILE_TYPE = (
    "vocab_size", "attention.causal", "attn_logit_softcapping", "attention.sliding_window",
    "expert_feed_forward_length",
)  # fmt: skip
_WITHOUT_FILE_TYPE = frozenset({"gptneox"})

# A tensor that llama.cpp has no place for is carried up to this many bytes.
LARGEST_CARRIED = 1 << 24


@dataclass(frozen=True)
class Document:
    """What a write needs beside the tensors: keys, version, and the tensors of each file in their order."""

    keys: Mapping[str, Value]
    version: int
    parts: Sequence[Sequence[Tensor]]


@dataclass
class _Draft:
    """A plan in the making."""

    model: Model
    tokenizer: Tokenizer | None
    block: Block | None
    arch: str
    tensors: list[PlannedTensor]
    keys: Keys
    dropped: Mapping[str, str]
    unmapped: list[str]
    facts: list[Fact]
    notes: list[str]


def plan(model: Model, options: Options) -> Plan:
    """The plan for `model`. `MissingFact` when a key needs what is nowhere, `DamagedFile` for a broken source block."""
    draft = _drafted(model, _tokenizer(model, options))
    _fit_tensors(draft)
    _complete_keys(draft)
    keys = _with_carried(draft)
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


def _drafted(model: Model, tokenizer: Tokenizer | None) -> _Draft:
    block = read_block(model, tokenizer)
    if model.naming == "native":
        return _drafted_native(model, tokenizer, block)
    native = from_canonical(model)
    draft = _Draft(
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


def _copies(draft: _Draft) -> list[PlannedTensor]:
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


def _drafted_native(model: Model, tokenizer: Tokenizer | None, block: Block | None) -> _Draft:
    arch = model.metadata.get("architecture") or model.config.family
    if block is None and not arch:
        raise MissingFact(
            "nothing says the architecture", file=model.path, hint="state it with --assume model_type=NAME"
        )
    tensors = [PlannedTensor(tensor, (name,)) for name, tensor in model.tensors.items()]
    notes = [] if block else ["the architecture is in no table: llama.cpp may not know the names that are kept"]
    return _Draft(model, tokenizer, block, str(arch), tensors, {}, {}, [], [], notes)


def _fit_tensors(draft: _Draft) -> None:
    draft.tensors = [fit(planned, draft.model, draft.block) for planned in draft.tensors]
    if draft.block is not None:
        draft.tensors = put_back(draft.tensors, draft.block)


def _complete_keys(draft: _Draft) -> None:
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


def _with_file_type(draft: _Draft) -> Keys:
    """The keys of the architecture with the file type among them, where the script has it."""
    if draft.arch in _WITHOUT_FILE_TYPE:
        return draft.keys
    names = list(draft.keys)
    later = {f"{draft.arch}.{name}" for name in _AFTER_FILE_TYPE}
    at = next((i for i, name in enumerate(names) if name in later), len(names))
    head = {name: draft.keys[name] for name in names[:at]}
    return head | {FILE_TYPE: _file_type(draft)} | draft.keys


def _file_type(draft: _Draft) -> Value:
    return Value(ValueType.UINT32, file_type((p.tensor.encoding, p.tensor.shape) for p in draft.tensors))


def _kept_keys(draft: _Draft, block: Block) -> Keys:
    keys = dict(block.keys)
    changed = _changed_keys(draft, keys)
    if any(block.encoding(p.tensor.name) != p.tensor.encoding.name for p in draft.tensors):
        changed[FILE_TYPE] = _file_type(draft)
        if VERSION not in keys and any(p.tensor.encoding.quantized for p in draft.tensors):
            changed[VERSION] = Value(ValueType.UINT32, QUANTIZATION_VERSION)
    draft.facts += [Fact(key, "kept") for key in keys if key not in changed]
    draft.facts += [Fact(key, "mapped", _became(keys.get(key), value)) for key, value in changed.items()]
    return keys | changed


def _became(old: Value | None, new: Value) -> str:
    return f"was {'absent' if old is None else repr(old.plain)}, is {new.plain!r}"


def _changed_keys(draft: _Draft, keys: Keys) -> Keys:
    """Keys of the architecture whose facts were changed since the file was read, by --assume or in a config.json."""
    if draft.model.naming == "native":
        return {}
    base = _read_again(draft, keys).config
    if all(base.get(key) == value for key, value in draft.model.config.items()):
        return {}
    before = from_canonical(replace(draft.model, config=base)).keys
    after = from_canonical(replace(draft.model, config=base.merged(draft.model.config))).keys
    return {key: value for key, value in after.items() if before.get(key) != value and keys.get(key) != value}


def _read_again(draft: _Draft, keys: Keys) -> Canonical:
    """What a reader will make of the planned file; small computed tensors are settled, as they will be in the file."""
    tensors = {p.tensor.name: settle(p.tensor) for p in draft.tensors}
    if draft.model.naming == "native":
        return Canonical(tensors, Config())
    return to_canonical(draft.arch, {key: value.plain for key, value in keys.items()}, tensors)


def _with_carried(draft: _Draft) -> Keys:
    """All keys, those under hub. last."""
    back = _read_again(draft, draft.keys)
    extra = dict(_files(draft))
    extra |= _config_key(draft, extra, back.config) | _tensor_keys(draft, back)
    return draft.keys | extra | ({carried.GUARD: carried.guard(draft.keys)} if extra else {})


def _files(draft: _Draft) -> Iterable[tuple[str, Value]]:
    """Companion files and other formats' blocks; with a block of our own, only those that its file carried."""
    for name, data in draft.model.files.items():
        if len(data) > carried.LARGEST:
            draft.facts.append(Fact(f"file {name}", "dropped", f"{len(data)} bytes are too many to carry"))
        elif _wanted(draft, carried.FILE + name):
            yield carried.FILE + name, carried.packed(data)
    for name, block in draft.model.source.get().items():
        if name != "gguf" and _wanted(draft, carried.SOURCE + name):
            yield carried.SOURCE + name, carried.packed_json(block)


def _wanted(draft: _Draft, key: str, why: str = "") -> bool:
    name = key.removeprefix(carried.PREFIX).replace(".", " ", 1)
    if draft.block is not None and key not in draft.block.carried:
        draft.facts.append(Fact(name, "dropped", "made from this GGUF's own keys on the way"))
        return False
    draft.facts.append(Fact(name, "kept", f"{why}{'; ' if why else ''}verbatim in {key}"))
    return True


def _config_key(draft: _Draft, extra: Mapping[str, Value], derived: Config) -> Keys:
    found: Any = dict(derived)
    if carried.FILE + "config.json" in extra:
        found = config_json(draft.model.files["config.json"])
    wanted = dict(draft.model.config)
    return {} if found == wanted else {carried.CONFIG: carried.packed_json(wanted)}


def _tensor_keys(draft: _Draft, back: Canonical) -> Keys:
    """How each tensor gets back its encoding, and its bytes where values do not invert or llama.cpp has no place."""
    records: dict[str, Mapping[str, Any]] = {}
    keys: Keys = {}
    for name, why in draft.dropped.items():
        tensor, key = draft.model.tensors[name], carried.TENSOR + name
        if tensor.nbytes > LARGEST_CARRIED:
            draft.facts.append(Fact(f"tensor {name}", "dropped", why))
        elif _wanted(draft, key, why):
            records[name] = {"encoding": tensor.encoding.name, "shape": list(tensor.shape)}
            keys[key] = carried.packed_tensor(tensor)
    for planned in draft.tensors:
        if planned.change is Change.EXACT:
            found = {name: _record(draft.model.tensors[name], back.tensors.get(name)) for name in planned.sources}
            records |= {name: record for name, record in found.items() if record is not None}
    return keys | ({carried.TENSORS: carried.packed_json(records)} if records else {})


def _record(tensor: Tensor, back: Tensor | None) -> Mapping[str, Any] | None:
    if back is None or back.shape != tensor.shape:
        return None
    record = {"encoding": tensor.encoding.name}
    if tensor.nbytes > SMALL:  # only widened: narrowing is checked when it is read
        numbers = not tensor.encoding.quantized and codecs.can_encode(tensor.encoding)
        return record if numbers and back.encoding != tensor.encoding else None
    data, made = tensor.read(), back.read()
    if made == data and back.encoding == tensor.encoding:
        return None
    if back.encoding != tensor.encoding and _narrows(back, tensor, data):
        return record
    return record | {"base64": carried.to_base64(data), "crc32": crc32(made)}


def _narrows(back: Tensor, tensor: Tensor, data: bytes) -> bool:
    try:
        return narrowed(back, tensor.encoding).read() == data
    except HubError:
        return False
