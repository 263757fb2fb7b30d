"""The documents beside the weights: verbatim where the source had them, made from the model where it had not."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from hub.architectures import Family
from hub.errors import UsageError
from hub.interface import Fact, Options
from hub.ir import Model
from hub_safetensors._card import read_card, write_card
from hub_safetensors._companions import OWN, Packing, packing
from hub_safetensors._json import read_object, write_object
from hub_safetensors._own import checksums, write_own
from hub_safetensors._record import NAME, Record

# torch's names of the floating types, as config.json states them.
TORCH = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model", "chat_template.jinja", "chat_template.json",
)  # fmt: skip
_TOKENIZERS = {"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt"}

# sentence-transformers' flag for each way of pooling, and the modules of a model that pools.
_POOLING = {"cls": "cls_token", "mean": "mean_tokens", "lasttoken": "lasttoken"}
_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]

# Said of the file it was read from, not of the model.
_OF_THE_FILE = {"format", "quantization"}


@dataclass
class Documents:
    """`files` to write, what the report says of them, and what has begun of their `packing` into a single file."""

    files: dict[str, bytes] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    packing: Packing = field(default_factory=dict)

    def make(self, name: str, data: bytes, detail: str) -> None:
        """Add a file that the source did not have."""
        self.files[name] = data
        self.made.append(name)
        self.facts.append(Fact(name, "mapped", detail))


def documents(model: Model, family: Family | None, dtype: str | None, options: Options) -> Documents:
    """The companion files of `model`, whose weights are mostly of `dtype`, and `hub.json` for what they cannot hold."""
    done = Documents({name: data for name, data in model.files.items() if name != OWN})
    done.facts += [Fact(name, "kept", "verbatim") for name in done.files]
    home = NAME in model.source.get() and ("config.json" in done.files or not model.config)
    parts: dict[str, Any] = {"config": _config(done, model, family, dtype)}
    if not home:
        _generation(done, model, family)
        _card(done, model)
        _pooling(done, model)
    parts["tokenizer"] = _tokenizer(done, model, options)
    parts["notes"] = [note for note in model.notes if note.startswith("assumed")]
    if not home:
        parts |= _rest(done, model)
    parts["made"] = checksums(done.files, done.made)
    carried = not home and options.pre is None  # the source's own header would say another pre-tokenizer
    source = {k: v for k, v in model.source.get().items() if k != NAME} if carried else {}
    own = write_own(parts, source)
    if own:
        done.files[OWN] = own
        done.facts.append(Fact(OWN, "mapped", "what the other files cannot hold, so that it comes back"))
    return done


def _config(done: Documents, model: Model, family: Family | None, dtype: str | None) -> dict[str, Any]:
    """Write config.json; what was added or replaced in it, for hub.json."""
    verbatim = done.files.get("config.json")
    if verbatim is not None and read_object(verbatim, "config.json") == dict(model.config):
        _restate(done, model, verbatim, dtype)
        return {}
    if not model.config:
        return {}
    added = {key: value for key, value in _needed(model, family, dtype).items() if key not in model.config}
    done.facts = [fact for fact in done.facts if fact.key != "config.json"]
    done.make("config.json", write_object({**model.config, **added}), "made from the model's facts")
    return {"added": sorted(added), "crc32": crc32(done.files["config.json"])} if added else {}


def _restate(done: Documents, model: Model, verbatim: bytes, dtype: str | None) -> None:
    """The source's config.json, its dtype changed when the weights' has changed."""
    was = Record.of(model.source.get()).dtype
    if not was or was == dtype or dtype not in TORCH:
        return
    keys = [key for key in ("torch_dtype", "dtype") if model.config.get(key) not in (None, TORCH[dtype])]
    if not keys:
        return
    pattern = rf'("(?:{"|".join(keys)})"\s*:\s*")\w+(")'
    done.files["config.json"] = re.sub(pattern, rf"\g<1>{TORCH[dtype]}\g<2>", verbatim.decode()).encode()
    done.notes.append(f"config.json says {TORCH[dtype]} now, as the weights do")


def _needed(model: Model, family: Family | None, dtype: str | None) -> dict[str, Any]:
    """What a loader asks of config.json and the model may not state under a key of its own."""
    out: dict[str, Any] = {"torch_dtype": TORCH[dtype]} if dtype in TORCH and "dtype" not in model.config else {}
    if family is not None:
        out |= {"architectures": [family.classes[0]], "model_type": family.model_type}
        if family.head is not None:
            out["tie_word_embeddings"] = family.head[0] in model.ties
    tokenizer = model.tokenizer.get()
    ids = tokenizer.special if tokenizer else {}
    return out | {f"{name}_token_id": ids[name] for name in ("bos", "eos", "pad") if name in ids}


def _generation(done: Documents, model: Model, family: Family | None) -> None:
    """generation_config.json: every id that ends a turn ends the generation."""
    tokenizer = model.tokenizer.get()
    if "generation_config.json" in done.files or tokenizer is None or family is None or family.head is None:
        return
    ids = tokenizer.special
    ends = list(dict.fromkeys(ids[name] for name in ("eos", "eot", "eom") if name in ids))
    values: dict[str, Any] = {f"{name}_token_id": ids[name] for name in ("bos", "pad") if name in ids}
    values |= {"eos_token_id": ends if len(ends) > 1 else ends[0]} if ends else {}
    values |= model.metadata.get("generation") or {}
    if values:
        done.make("generation_config.json", write_object(values), "made from special ids and sampling parameters")


def _card(done: Documents, model: Model) -> None:
    card = None if "README.md" in done.files else write_card(model.metadata)
    if card:
        done.make("README.md", card, "made from the model's metadata")


def _pooling(done: Documents, model: Model) -> None:
    """How the tokens' vectors become one, where sentence-transformers looks for it."""
    mode = model.metadata.get("pooling")
    if mode not in _POOLING or "modules.json" in done.files:
        return
    flags = {f"pooling_mode_{flag}": name == mode for name, flag in _POOLING.items()}
    width = {"word_embedding_dimension": model.config.fact("hidden_size", int)}
    done.make("1_Pooling/config.json", write_object(width | flags), f"{mode} pooling")
    done.make("modules.json", json.dumps(_MODULES, indent=2).encode(), "made for sentence-transformers")


def _tokenizer(done: Documents, model: Model, options: Options) -> dict[str, Any]:
    """Write the tokenizer's files; what they cannot hold, for hub.json."""
    from hub_safetensors.tokenizer import lost_in_files, write_files  # heavy, and often not needed

    tokenizer = model.tokenizer.get()
    verbatim = sorted(_TOKENIZERS & done.files.keys())
    if options.pre and (verbatim or tokenizer is None or tokenizer.kind != "bpe"):
        why = f"{verbatim[0]} is written as the source has it" if verbatim else "the model has no byte-level BPE"
        raise UsageError(f"--pre has no effect: {why}", file=model.path)
    if tokenizer is None:
        return {}
    if not verbatim:
        stated = replace(tokenizer, pre=options.pre) if options.pre else tokenizer
        for name, data in write_files(stated, model.config).items():
            if name not in done.files:
                done.make(name, data, "made from the tokenizer")
    if not options.folder:
        done.packing = packing({name: done.files[name] for name in TOKENIZER_FILES if name in done.files})
    left = lost_in_files(tokenizer, done.files, model.config)
    return {"left": left, "files": checksums(done.files, TOKENIZER_FILES)} if left else {}


def _rest(done: Documents, model: Model) -> dict[str, Any]:
    """Metadata and naming that no other file says."""
    card = read_card(done.files["README.md"]) if "README.md" in done.files else {}
    metadata = {k: v for k, v in model.metadata.items() if k not in _OF_THE_FILE and card.get(k) != v}
    done.facts += [Fact(key, "kept", f"in {OWN}") for key in metadata]
    native = model.naming == "native" and NAME not in model.source.get()
    return {"metadata": metadata, **({"naming": "native", "ties": dict(model.ties)} if native else {})}
