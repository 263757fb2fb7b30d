"""The pre-tokenizers that llama.cpp knows by name, as data.

What each does is that of `llama_vocab::load` and `llm_tokenizer_bpe` in llama.cpp's llama-vocab.cpp; Unicode
normalization, which llama.cpp leaves out, is that of the models' own tokenizers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hub_safetensors.tokenizer import _regexes as re


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """How text is split into words before byte-level BPE.

    `splits` are regular expressions applied one after another; each splits every piece into its matches and the rest.
    `ignore_merges`: a word that is a token is that token, whatever the merges say. `nfc`: text is composed first.
    `byte_level` is False where tokens are written in plain Unicode; `space` then stands for the space in them, and
    None means that white space only separates words.
    `add_bos` and `add_sep` are what llama.cpp does where a file does not say.
    """

    splits: tuple[str, ...]
    ignore_merges: bool = False
    nfc: bool = False
    byte_level: bool = True
    space: str | None = " "
    add_bos: bool = False
    add_sep: bool = False


_GPT2 = PreTokenizer((re.GPT2,))
_DIGITS = PreTokenizer((re.DIGIT, re.GPT2))
_LLAMA3 = PreTokenizer((re.LLAMA3,))
_LLAMA_BPE = replace(_LLAMA3, ignore_merges=True, add_bos=True)
_QWEN2 = PreTokenizer((re.QWEN2,))
_DEEPSEEK3 = PreTokenizer((re.THREE_DIGITS, re.CJK, re.DEEPSEEK3))
_BLOOM = PreTokenizer((re.BLOOM,))
_GPT4O = PreTokenizer((re.GPT4O,))
_BAILING = PreTokenizer((re.BAILING,))
_TINY_AYA = PreTokenizer((re.TRIPLES_FROM_RIGHT, re.TINY_AYA))
_NEWLINES = PreTokenizer((re.NEWLINES,), byte_level=False, space="\u2581")

# Of several names with the same rules, the first is the one given to a tokenizer that is known by its rules alone.
PRE_TOKENIZERS: dict[str, PreTokenizer] = {
    "default": PreTokenizer((re.DEFAULT_PUNCTUATION, re.GPT2, re.DIGITS, re.ASCII_TRIPLE)),
    **dict.fromkeys(
        ("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"),
        _LLAMA_BPE,
    ),
    **dict.fromkeys(("glm4", "glm5"), replace(_LLAMA3, ignore_merges=True)),
    **dict.fromkeys(("smaug-bpe", "dbrx", "chatglm-bpe"), _LLAMA3),
    **dict.fromkeys(
        ("gpt-2", "phi-2", "gigachat", "a.x-4.0", "mellum", "exaone4", "jais", "trillion", "granite-docling",
         "jina-es", "jina-de", "jina-v2-es", "jina-v2-de"),
        _GPT2,
    ),
    **dict.fromkeys(("olmo", "mpt", "modern-bert"), replace(_GPT2, nfc=True)),
    **dict.fromkeys(("roberta-bpe", "jina-v1-en", "jina-v2-code"), replace(_GPT2, add_sep=True)),
    **dict.fromkeys(
        ("smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"),
        _DIGITS,
    ),
    "command-r": replace(_DIGITS, nfc=True),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"), replace(_QWEN2, nfc=True)),
    **dict.fromkeys(("stablelm2", "hunyuan", "solar-open", "grok-2"), _QWEN2),
    "qwen35": PreTokenizer((re.QWEN35,)),
    "ufakzeka": PreTokenizer((re.UFAKZEKA,)),
    "laguna": PreTokenizer((re.NEWLINES, re.QWEN2)),
    "seed-coder": PreTokenizer((re.SEED_CODER,)),
    "minicpm5": PreTokenizer((re.THREE_DIGITS, re.MINICPM5), ignore_merges=True),
    "jais-2": PreTokenizer((re.JAIS2,)),
    "deepseek-llm": PreTokenizer(
        ("[\r\n]", re.DEEPSEEK_LETTERS, re.DEEPSEEK_PUNCTUATION, r"\s+$", re.CJK_WIDE, re.DIGITS)
    ),
    "deepseek-coder": PreTokenizer(("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", re.CJK_WIDE, re.DIGIT)),
    **dict.fromkeys(("deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"), _DEEPSEEK3),
    "spark2_5": PreTokenizer((re.THREE_DIGITS, re.CJK, re.SPARK, re.DIGIT)),
    "youtu": PreTokenizer((re.YOUTU_SCRIPTS, re.YOUTU), ignore_merges=True),
    "afmoe": PreTokenizer((re.TRIPLES_FROM_RIGHT, f"[{re.UNSPACED_SCRIPTS}]+", re.DEEPSEEK3)),
    "falcon": PreTokenizer((re.FALCON_PUNCTUATION, re.GPT2, re.ASCII_TRIPLE)),
    **dict.fromkeys(("bloom", "poro-chat", "gpt3-finnish"), _BLOOM),
    "viking": PreTokenizer((re.BLOOM, re.DIGIT)),
    "tekken": PreTokenizer((re.TEKKEN,), ignore_merges=True, add_bos=True),
    "chameleon": PreTokenizer(
        ("<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", re.DIGIT,
         re.CHAMELEON_PUNCTUATION, re.GPT2),
        add_bos=True,
    ),
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"), _GPT4O),
    "granite-embed-multi-97m": PreTokenizer((re.GRANITE_MULTI,), ignore_merges=True),
    **dict.fromkeys(("tiny_aya", "cohere2moe"), _TINY_AYA),
    "kimi-k2": PreTokenizer((re.KIMI_K2,)),
    "superbpe": PreTokenizer((re.DIGITS, re.BEFORE_TRIPLES)),
    **dict.fromkeys(("bailingmoe", "bailingmoe2", "llada-moe"), _BAILING),
    "exaone-moe": PreTokenizer((re.EXAONE_MOE,)),
    **dict.fromkeys(("gemma4", "granite-embed-multi-311m"), replace(_NEWLINES, add_bos=True)),
    "sarvam-moe": _NEWLINES,
    "whitespace": PreTokenizer((), byte_level=False, space=None),
}  # fmt: skip
