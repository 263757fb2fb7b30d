"""What writing a model as APR v2 would do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.codecs import shift
from hub.errors import UsageError
from hub.interface import Fact, Options, Plan, PlannedTensor
from hub.ir import Model, Tensor
from hub.targets import DeploymentTarget
from hub_apr import _blocks
from hub_apr._hyperparameters import hyperparameters
from hub_apr._in_page import check_page, check_place
from hub_apr._layout import CARRIED, WIDENED, encodings_block, fits, lay, recoded_by_portable, recorded
from hub_apr._packing import CHUNK, CODECS, compressor, planes_of, split
from hub_apr._runs import missing
from hub_apr._suited import SHIFTED, Suited, suit
from hub_apr._tokenizer_keys import tokenizer_keys
from hub_apr.container import ALIASES, BY_ENCODING, KNOWN, Flags

_EMBEDDING, _HEAD = "model.embed_tokens.weight", "lm_head.weight"
_SYMMETRIC = {"Q4_0", "Q5_0", "Q8_0", "Q3_K", "Q6_K", "APR_Q4", "APR_Q8", "TQ1_0", "TQ2_0"}
_CARD = ("name", "description", "author", "license", "version", "source", "data_source", "data_license")
_SAMPLE = 4096  # tensors smaller than this are not packed
_WORTH = 0.97  # of the raw size that a sample must shrink to


@dataclass(frozen=True)
class Document:
    """What the writer needs beside the tensors: metadata, header flags, names that share another tensor's bytes.

    `packed`: tensors to pack with `codec`, and the byte planes each is split into. `place`: where the model is to run.
    """

    metadata: Mapping[str, Any]
    flags: Flags
    aliases: Mapping[str, str]
    codec: str | None
    packed: Mapping[str, int]
    place: DeploymentTarget | None = None


def make_plan(model: Model, options: Options) -> Plan:
    """The plan; see `hub.interface.Plan`. `UsageError` for a codec the format does not pack with, or not portably."""
    place = None if options.target is None else check_place(options)
    if options.pre is not None and model.tokenizer.get() is None:
        raise UsageError("--pre has no effect: the model has no tokenizer")
    if options.compression is not None and options.compression not in CODECS:
        raise UsageError(f"--compression takes {' or '.join(CODECS)}, not {options.compression!r}")
    if options.compression is not None and options.portable:
        raise UsageError("--compression and --portable exclude each other: apr does not compute with packed tensors")
    held = {name: tensor for name, tensor in model.tensors.items() if fits(tensor)}
    suited = suit(model, held)
    laid = [_laid(piece, name, suited, options) for name, pieces in suited.pieces.items() for piece in pieces]
    if options.portable and not any(recoded_by_portable(piece) for piece, _ in laid):
        raise UsageError("--portable has no effect: every encoding of this model is one that apr computes with")
    planned = [plan for _, plan in laid]
    aliases = _aliases(model)
    metadata = _metadata(model, held, aliases) | suited.blocks()
    other = {piece.name: piece for piece, plan in laid if recorded(piece, plan.tensor)}
    metadata |= {"hub.encodings": _blocks.pack(encodings_block(other))} if other else {}
    packed = {p.tensor.name: planes_of(p.tensor.encoding) for p in planned if _packs(p.tensor, options.compression)}
    if packed:
        entries = {p.tensor.name: _packed_entry(p.tensor) for p in planned if p.tensor.name in packed}
        metadata["hub.packed"] = _blocks.pack({"codec": options.compression, "tensors": entries})
    shapes = {name: piece.shape for piece, _ in laid for name in (piece.name, *_others(piece.name, aliases))}
    if place is not None:
        check_page(planned, metadata, model.path, place)
    return Plan(
        "apr",
        planned,
        facts=_facts(model),
        unmapped=[name for name in model.tensors if name not in held],
        notes=[*_notes(planned, aliases, packed, options), *_obstacles(metadata, shapes), *_made_for(place)],
        document=Document(metadata, _flags(held, metadata), aliases, options.compression, packed, place),
    )


def _laid(piece: Tensor, source: str, suited: Suited, options: Options) -> tuple[Tensor, PlannedTensor]:
    """A piece of the source, and how it lies in the file."""
    if piece.name in suited.shifted:
        return piece, PlannedTensor(shift(piece, 1.0), (source,), SHIFTED)
    tensor, reason = lay(piece, portable=options.portable)
    return piece, PlannedTensor(tensor, (source,), reason)


def _aliases(model: Model) -> dict[str, str]:
    """Second names of tensors: the model's ties, and the output head that the inference loader asks for."""
    aliases = {a: name for a, name in model.ties.items() if name in model.tensors and a not in model.tensors}
    tied = model.config.get("tie_word_embeddings") is True
    if tied and _EMBEDDING in model.tensors and _HEAD not in model.tensors:
        aliases.setdefault(_HEAD, _EMBEDDING)
    return aliases


def _others(name: str, aliases: Mapping[str, str]) -> list[str]:
    return [alias for alias, target in aliases.items() if target == name]


def _metadata(model: Model, held: Mapping[str, Tensor], aliases: Mapping[str, str]) -> dict[str, Any]:
    """Metadata in the reference library's order: known keys, the tokenizer's, what only this plugin reads."""
    tokenizer = model.tokenizer.get()
    source = model.source.get()
    found = _carried_over(source.get("apr")) | _card(model) | hyperparameters(model)
    found |= {"param_count": model.parameters} | _quantization(held)
    found |= tokenizer_keys(tokenizer) if tokenizer is not None else {}
    found |= {"tied_embeddings": True} if _HEAD in aliases else {}
    shown = {key: value for key, value in model.metadata.items() if key != "format"}
    about = {"naming": model.naming, "ties": dict(model.ties), "aliases": dict(aliases), "metadata": shown,
             "notes": list(model.notes)}  # fmt: skip
    found |= {
        "hub.version": _blocks.LAYOUT,
        "hub.model": _blocks.pack(about),
        "hub.config": _blocks.pack(dict(model.config)),
    }
    found |= {"hub.source": _blocks.pack(dict(source))} if source else {}
    found |= {"hub.files": _blocks.pack_files(model.files)} if model.files else {}
    order = {key: at for at, key in enumerate(KNOWN)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def _carried_over(source: Any) -> dict[str, Any]:
    """The keys of the APR file that the model once came from; spellings that the loader trips over are left out."""
    metadata = source.get("metadata") if isinstance(source, Mapping) else None
    spellings = {alias for names in ALIASES.values() for alias in names}
    if not isinstance(metadata, Mapping):
        return {}
    fine = {k: v for k, v in metadata.items() if k not in spellings and not k.startswith("hub.")}
    return {k: v for k, v in fine.items() if k not in KNOWN or KNOWN[k][1](v)}


def _card(model: Model) -> dict[str, Any]:
    """What a model card says, where it says it in one string."""
    found = {key: model.metadata[key] for key in _CARD if isinstance(model.metadata.get(key), str)}
    came_as = model.metadata.get("format")
    return found | ({"original_format": came_as} if isinstance(came_as, str) else {})


def _quantization(held: Mapping[str, Tensor]) -> dict[str, Any]:
    """The block encoding that most bytes are in; nothing when there is none."""
    sizes = Counter[str]()
    for tensor in held.values():
        sizes[tensor.encoding.name] += tensor.nbytes * tensor.encoding.quantized
    name, size = sizes.most_common(1)[0] if sizes else ("", 0)
    digit = re.search(r"\d", name)
    if not size or digit is None:
        return {}
    block = next(t.encoding.block for t in held.values() if t.encoding.name == name)
    told = {"quant_type": name, "bits": int(digit[0]), "block_size": block, "symmetric": name in _SYMMETRIC}
    return {"quantization": told}


def _flags(held: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Flags:
    flags = Flags.LAYOUT_ROW_MAJOR
    flags |= Flags.QUANTIZED if any(t.encoding.quantized for t in held.values()) else Flags(0)
    return flags | (Flags.HAS_VOCAB if "tokenizer.vocabulary" in metadata else Flags(0))


def _packs(tensor: Tensor, codec: str | None) -> bool:
    """True when a sample from the middle of the tensor shrinks enough to be worth it."""
    if codec is None or tensor.nbytes < _SAMPLE or tensor.rows.width > 16 * CHUNK:
        return False
    rows = max(1, CHUNK // tensor.rows.width)
    start = max(0, (tensor.rows.n - rows) // 2)
    raw = tensor.rows.read(start, min(tensor.rows.n, start + rows)).tobytes()
    return len(compressor(codec)(split(raw, planes_of(tensor.encoding)))) < _WORTH * len(raw)


def _packed_entry(tensor: Tensor) -> list[Any]:
    return [BY_ENCODING[tensor.encoding.name].name, list(tensor.shape), planes_of(tensor.encoding)]


def _facts(model: Model) -> list[Fact]:
    facts = [Fact("config", "kept", f"{len(model.config)} keys")] if model.config else []
    facts += [Fact("tokenizer", "mapped", "tokenizer.* keys")] if model.tokenizer.get() is not None else []
    facts += [Fact(f"file {name}", "kept", f"{len(data)} bytes") for name, data in model.files.items()]
    return facts + [Fact(f"{name} keys", "kept", "verbatim") for name in model.source.get()]


def _notes(
    planned: Sequence[PlannedTensor], aliases: Mapping[str, str], packed: Mapping[str, int], options: Options
) -> list[str]:
    notes = [f"{alias} shares the bytes of {name}" for alias, name in aliases.items()]
    carried = [p for p in planned if p.reason.endswith(CARRIED)]
    if carried:
        way = "" if options.portable else "; --portable re-encodes them as F32"
        notes.append(f"{len(carried)} tensors are carried byte for byte and not computed with by apr{way}")
    widened = sum(p.reason == WIDENED for p in planned)
    notes += [f"{widened} norms and biases are widened to F32, exactly"] if widened else []
    if packed:
        rest = "" if len(packed) == len(planned) else ", the others would hardly shrink"
        what = f"{len(packed)} of {len(planned)} tensors are packed with {options.compression}{rest}"
        notes.append(f"{what}; apr lists packed tensors and does not compute with them")
    elif options.compression:
        notes.append(f"nothing is packed: no tensor would shrink by 3 % with {options.compression}")
    return notes


def _made_for(place: DeploymentTarget | None) -> list[str]:
    """A note on a file that is made for another program than apr."""
    return [] if place is None else [f"made for {place.title}: the file says how a page turns it into {place.runs}"]


def _obstacles(metadata: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """One line on why the inference loader would not run the file; none when it would."""
    found = missing(metadata, shapes)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return [f"apr lists this model and would not run it: {found[0]}{more}"] if found else []
