"""From the canonical model to files: which tensors go where, in which encoding, beside which documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hub import codecs
from hub.architectures import Family
from hub.errors import DamagedFile, UnmappedTensor, UnsupportedFile, UsageError
from hub.interface import Options, Plan, PlannedTensor
from hub.ir import F32, Change, Model, Tensor
from hub_safetensors._companions import embedded
from hub_safetensors._documents import documents
from hub_safetensors._layout import PT, WeightsFile, anew, as_recorded, index_of
from hub_safetensors._locate import WEIGHTS
from hub_safetensors._naming import restored
from hub_safetensors._reading import TITLE, family_of, main_dtype
from hub_safetensors._record import NAME, Record
from hub_safetensors._ties import ties_words
from hub_safetensors.container import DTYPES, MAX_HEADER, METADATA


@dataclass(frozen=True, slots=True)
class Layout:
    """What a plan carries for the write: the `weights` files and the `files` beside them."""

    weights: tuple[WeightsFile, ...]
    files: Mapping[str, bytes]


def make_plan(model: Model, options: Options) -> Plan:
    """How `model` becomes one file or a folder; `UnsupportedFile` when it cannot."""
    if options.shard_size is not None and not options.folder:
        raise UsageError("--shard-size needs a folder as target; a single file is never cut")
    record = Record.of(model.source.get())
    if options.folder and model.naming == "native" and not record:
        raise UnmappedTensor(
            "the architecture is in no table, so its tensors have no Hugging Face names",
            file=model.path,
            hint="write a single .safetensors file, which keeps the source's own names",
        )
    family = family_of(model)
    planned = _planned(model, record, family)
    tensors = _by_name(planned)
    docs = documents(model, family, main_dtype(tensors), options)
    extra = {} if options.folder else embedded(docs.files, docs.packing)
    weights, index = _files(tensors, record, extra, options)
    return Plan(
        NAME,
        planned,
        facts=docs.facts,
        notes=[*docs.notes, *_native_note(model, options, record)],
        document=Layout(tuple(weights), {**docs.files, **index} if options.folder else {}),
    )


def _by_name(planned: Sequence[PlannedTensor]) -> dict[str, Tensor]:
    """The tensors to write; `DamagedFile` when the format cannot have their names."""
    tensors: dict[str, Tensor] = {}
    for tensor in (p.tensor for p in planned):
        if tensor.name in tensors or tensor.name == METADATA:
            raise DamagedFile("the header would name this twice", tensor=tensor.name)
        try:
            tensor.name.encode()
        except UnicodeEncodeError:
            raise UnsupportedFile("the header is UTF-8, and this name is not", tensor=ascii(tensor.name)) from None
        tensors[tensor.name] = tensor
    return tensors


def _planned(model: Model, record: Record, family: Family | None) -> list[PlannedTensor]:
    planned = [_held(tensor, sources) for tensor, sources in restored(model.tensors, record)]
    taken = {p.tensor.name for p in planned}
    extra = [*_copies(model, record, family), *_buffers(record)]
    return planned + [p for p in extra if p.tensor.name not in taken]


def _held(tensor: Tensor, sources: tuple[str, ...], reason: str = "") -> PlannedTensor:
    """The tensor in an encoding that the format has: its own, or F32, which holds every value of it."""
    if tensor.encoding.name in DTYPES:
        return PlannedTensor(tensor, sources, reason)
    if tensor.change >= Change.EXACT:  # somebody asked for it: what a file had is not computed yet
        raise UsageError(
            f"{TITLE} has no {tensor.encoding}", tensor=tensor.name, hint="--encode takes f32, f16 or bf16"
        )
    if not codecs.can_decode(tensor.encoding):
        raise UnsupportedFile(f"{TITLE} has no {tensor.encoding}, and it cannot be decoded", tensor=tensor.name)
    return PlannedTensor(codecs.recode(tensor, F32), sources, f"{TITLE} has no {tensor.encoding}: decoded to F32")


def _copies(model: Model, record: Record, family: Family | None) -> list[PlannedTensor]:
    """Tied tensors that are written all the same: the source did, or a loader would not tie them."""
    untied = family is not None and not record and not ties_words(family, model.config)
    out = []
    for alias, target in model.ties.items():
        if target in model.tensors and (alias in record.copies or (untied and _says_untied(model))):
            copy = model.tensors[target].named(record.copies.get(alias, alias))
            out.append(
                _held(copy, (), f"a copy of {target}: the source stores it" if alias in record.copies else _UNTIED)
            )
    return out


_UNTIED = "a copy of the embedding: the configuration says that they are not tied"


def _says_untied(model: Model) -> bool:
    return "tie_word_embeddings" in model.config or "config.json" in model.files


def _buffers(record: Record) -> list[PlannedTensor]:
    """Tensors that the source stored though the model's class works them out."""
    return [PlannedTensor(tensor, (), "as the source has it") for tensor in record.computed()]


def _files(
    tensors: Mapping[str, Tensor], record: Record, extra: dict[str, str], options: Options
) -> tuple[list[WeightsFile], dict[str, bytes]]:
    """The weights files, `extra` in their metadata, and the index over them for a folder."""
    recorded: list[WeightsFile] | None = None
    if options.shard_size is None and (len(record.files) == 1 or (options.folder and record.folder)):
        files_then = record.files if record.folder else [replace(record.files[0], name=WEIGHTS)]
        recorded = as_recorded(files_then, tensors, extra)
    weights = recorded or anew(tensors, options.shard_size, {**_metadata(record), **extra})
    if len(weights[0].raw) > MAX_HEADER:
        raise UnsupportedFile(
            f"the documents make a header of {len(weights[0].raw)} bytes; the format allows {MAX_HEADER}",
            hint="write a folder: a target without extension",
        )
    return weights, index_of(weights, record.index if recorded else {}) if options.folder else {}


def _metadata(record: Record) -> dict[str, str]:
    """`__metadata__` of new files: the source's where all its files agree, and the key that transformers asks for."""
    stated = [file.metadata for file in record.files]
    agreed = {k: v for k, v in (stated[0] if stated else {}).items() if all(s.get(k) == v for s in stated)}
    return PT | agreed


def _native_note(model: Model, options: Options, record: Record) -> list[str]:
    if model.naming == "hf" or options.folder or record:
        return []
    return ["the architecture is in no table: tensors keep the source's own names and values"]
