"""Small tokenizers made on the spot: byte-level BPE, SentencePiece and WordPiece, laid out as in real checkpoints.

The text they learn from is the help of Python's own language topics, which is in every installation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

# What stands before the byte-level step, and whether that step splits like GPT-2 itself.
_BEFORE: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [],
    "smollm": [{"type": "Digits", "individual_digits": True}],
    "starcoder": [{"type": "Digits", "individual_digits": True}],
    "llama-bpe": [{"type": "Split", "pattern": {"Regex": LLAMA3}, "behavior": "Isolated", "invert": False}],
    "qwen2": [{"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": False}],
}


@dataclass(frozen=True)
class Vocabulary:
    """What a model's configuration has to know: rows that are used, the name of the pre-tokenizer, special ids."""

    size: int
    pre: str | None
    special: Mapping[str, int]


def corpus() -> list[str]:
    """Lines of English with code in them."""
    from pydoc_data.topics import topics

    return [line.strip() for key in sorted(topics) for line in topics[key].splitlines() if line.strip()]


def _dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2), "utf-8")


def _added(index: int, content: str, *, special: bool = True, rstrip: bool = False) -> dict[str, Any]:
    return {
        "id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": rstrip,
        "normalized": False, "special": special,
    }  # fmt: skip


def _template(first: str | None, size: Mapping[str, int]) -> dict[str, Any]:
    start = [{"SpecialToken": {"id": first, "type_id": 0}}] if first else []
    second = [{"SpecialToken": {"id": first, "type_id": 1}}] if first else []
    special = {first: {"id": first, "ids": [size[first]], "tokens": [first]}} if first else {}
    return {
        "type": "TemplateProcessing",
        "single": [*start, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [*start, {"Sequence": {"id": "A", "type_id": 0}}, *second, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": special,
    }


def byte_level(
    folder: Path, pre: str, *, special: Sequence[str] = ("<|endoftext|>",), bos: str | None = None, merges: int = 300
) -> Vocabulary:
    """Byte-level BPE: tokenizer.json, tokenizer_config.json, special_tokens_map.json, vocab.json, merges.txt.

    The first of `special` is bos and eos, the last an end of turn; `bos` is put before every text when given.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    whole = Tokenizer(models.BPE())
    splits = _BEFORE[pre]
    if splits and splits[0]["type"] == "Split":
        from tokenizers import Regex

        split = pre_tokenizers.Split(Regex(splits[0]["pattern"]["Regex"]), "isolated")
        whole.pre_tokenizer = pre_tokenizers.Sequence(
            [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    else:
        whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    whole.train_from_iterator(corpus(), trainer)
    model = json.loads(whole.to_str())["model"]
    vocab: dict[str, int] = model["vocab"]
    pairs: list[list[str]] = [m if isinstance(m, list) else m.split(" ") for m in model["merges"]]
    added = [_added(len(vocab) + i, text) for i, text in enumerate(special)]
    ids = {a["content"]: a["id"] for a in added}
    own_split = not splits or splits[0]["type"] == "Digits"
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": own_split}
    before: dict[str, Any] = {"type": "Sequence", "pretokenizers": [*splits, level]} if splits else level
    _dump(folder / "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"} if pre == "qwen2" else None,
        "pre_tokenizer": before,
        "post_processor": _template(bos, ids) if bos else {**level, "trim_offsets": False},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": pre == "llama-bpe", "vocab": vocab, "merges": pairs,
        },
    })  # fmt: skip
    _dump(folder / "vocab.json", vocab)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs), "utf-8")
    names = {"bos_token": bos or special[0], "eos_token": special[-1] if len(special) > 1 else special[0]}
    _dump(folder / "special_tokens_map.json", names)
    _dump(folder / "tokenizer_config.json", {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(a["id"]): {k: v for k, v in a.items() if k != "id"} for a in added},
        **names, "chat_template": TEMPLATE, "clean_up_tokenization_spaces": False, "model_max_length": 512,
        "tokenizer_class": "GPT2Tokenizer" if pre == "gpt-2" else "PreTrainedTokenizerFast",
    })  # fmt: skip
    special_ids = {"bos_token_id": ids[names["bos_token"]], "eos_token_id": ids[names["eos_token"]]}
    return Vocabulary(len(vocab) + len(added), pre, special_ids)


# family: control ids by name in the order of SentencePiece's flags, added symbols, prefix space
_SPM: dict[str, dict[str, Any]] = {
    "llama": {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1},
    "phi3": {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1},
    "nemotron": {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3},
    "gemma": {
        "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "bos_piece": "<bos>", "eos_piece": "<eos>",
        "add_dummy_prefix": False, "control_symbols": ["<start_of_turn>", "<end_of_turn>"],
        "user_defined_symbols": ["\n\n", "▁▁"],
    },
}  # fmt: skip

# For its LlamaTokenizer transformers 5 leaves tokenizer.json aside and puts no space before a leading space, unlike
# SentencePiece and llama.cpp; the general class does as the file says.
_CLASS = {"phi3": "LlamaTokenizer", "gemma": "GemmaTokenizer"}


def sentencepiece(folder: Path, family: str, *, size: int = 600) -> Vocabulary:
    """SentencePiece BPE: tokenizer.model, tokenizer.json and their companions, as llama, gemma and phi3 have them."""
    import io

    import sentencepiece as spm

    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=out, model_type="bpe", vocab_size=size, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, num_threads=1, minloglevel=2,
        character_coverage=0.999, split_digits=True, allow_whitespace_only_pieces=True, **_SPM[family],
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(out.getvalue())
    model = spm.SentencePieceProcessor(model_proto=out.getvalue())
    pieces = [model.IdToPiece(i) for i in range(len(model))]
    late = {"phi3": ["<|endoftext|>", "<|assistant|>", "<|end|>", "<|user|>"]}.get(family, [])
    controls = [i for i in range(len(model)) if model.IsControl(i) or model.IsUnknown(i)]
    added = [_added(i, pieces[i], rstrip=family == "phi3" and pieces[i] == "</s>") for i in controls]
    if family == "gemma":
        added += [_added(pieces.index(p), p, special=False) for p in ("\n\n", "▁▁")]
    added += [_added(len(pieces) + i, text, rstrip=i > 0) for i, text in enumerate(late)]
    added.sort(key=lambda a: a["id"])
    ids = {text: i for i, text in enumerate(pieces)} | {a["content"]: a["id"] for a in added}
    bos, eos, unk = pieces[model.bos_id()], pieces[model.eos_id()], pieces[model.unk_id()]
    _dump(folder / "tokenizer.json", _spm_json(family, pieces, model, added, bos, ids))
    if late:
        _dump(folder / "added_tokens.json", {t: ids[t] for t in late})
    names = {"bos_token": bos, "eos_token": eos, "unk_token": unk}
    names |= {"pad_token": "<pad>"} if family in ("gemma", "nemotron") else {}
    names |= {"eos_token": late[0], "pad_token": late[0]} if late else {}
    _dump(folder / "special_tokens_map.json", names)
    _dump(folder / "tokenizer_config.json", {
        "add_bos_token": True, "add_eos_token": False,
        "added_tokens_decoder": {str(a["id"]): {k: v for k, v in a.items() if k != "id"} for a in added},
        **names, "chat_template": TEMPLATE, "clean_up_tokenization_spaces": False, "legacy": True,
        "model_max_length": 512, "sp_model_kwargs": {}, "spaces_between_special_tokens": False,
        "tokenizer_class": _CLASS.get(family, "PreTrainedTokenizerFast"),
        "use_default_system_prompt": False,
    })  # fmt: skip
    special = {"bos_token_id": ids[bos], "eos_token_id": ids[names["eos_token"]]}
    special |= {"pad_token_id": ids[names["pad_token"]]} if "pad_token" in names else {}
    return Vocabulary(max(ids.values()) + 1, None, special)


def _spm_json(
    family: str, pieces: list[str], model: Any, added: list[dict[str, Any]], bos: str, ids: Mapping[str, int]
) -> dict[str, Any]:
    score = {p: model.GetScore(i) for i, p in enumerate(pieces) if not model.IsByte(i) and not model.IsControl(i)}
    pairs = [
        (score[p], p[:cut], p[cut:])
        for p in score for cut in range(1, len(p)) if p[:cut] in score and p[cut:] in score
    ]  # fmt: skip
    order = {p: i for i, p in enumerate(pieces)}
    pairs.sort(key=lambda m: (-m[0], order[m[1]], order[m[2]]))
    gemma = family == "gemma"
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    tail = [] if gemma else [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    back = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": replace if gemma else {
            "type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace],
        },
        "pre_tokenizer": {
            "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False,
        } if gemma else None,
        "post_processor": _template(bos, ids),
        "decoder": {"type": "Sequence", "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"}, *tail]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": pieces[model.unk_id()], "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": {p: i for i, p in enumerate(pieces)}, "merges": [[a, b] for _, a, b in pairs],
        },
    }  # fmt: skip


def wordpiece(folder: Path, *, size: int = 600) -> Vocabulary:
    """BERT's uncased WordPiece: vocab.txt, tokenizer.json and their companions."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    whole = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - the name of a token
    whole.normalizer = normalizers.BertNormalizer(lowercase=True)
    whole.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    whole.train_from_iterator(corpus(), trainer)
    whole.decoder = decoders.WordPiece()
    whole.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    whole.save(str(folder / "tokenizer.json"))
    tokens = sorted(whole.get_vocab().items(), key=lambda kv: kv[1])
    (folder / "vocab.txt").write_text("".join(f"{text}\n" for text, _ in tokens), "utf-8")
    names = {f"{n}_token": f"[{n.upper()}]" for n in ("cls", "mask", "pad", "sep", "unk")}
    _dump(folder / "special_tokens_map.json", names)
    decoder = {str(i): {k: v for k, v in _added(i, t).items() if k != "id"} for i, t in enumerate(special)}
    _dump(folder / "tokenizer_config.json", {
        "added_tokens_decoder": decoder, "clean_up_tokenization_spaces": True, **names, "do_basic_tokenize": True,
        "do_lower_case": True, "model_max_length": 128, "never_split": None, "strip_accents": None,
        "tokenize_chinese_chars": True, "tokenizer_class": "BertTokenizer",
    })  # fmt: skip
    return Vocabulary(len(tokens), None, {"pad_token_id": 0})
