"""Regular expressions of the pre-tokenizers that llama.cpp knows, for the engine of `tokenizers` (Oniguruma).

Each splits text into its matches and what lies between them, as llama.cpp's `llm_tokenizer_bpe` does. Where llama.cpp
departs from the model's own expression (it knows no case outside ASCII, for one), so do these.
"""

from __future__ import annotations

# Letters of scripts with upper and lower case, as DeepSeek LLM lists them.
CASED_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376"
    "\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d"
    "\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139"
    "\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d"
    "\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a"
    "\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
    "\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)

# Scripts without spaces between words, as AFMoE lists them.
UNSPACED_SCRIPTS = (
    "\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f"
    "\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff"
)

# Chinese and Japanese, as DeepSeek V3 lists them; and the wider range of the older DeepSeek models, without the spaces
# in it, which llama.cpp takes out before matching.
CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
CJK_WIDE = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff&&[^\\s]]+"

HAN = (
    "\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b820-\U0002ceaf"
    "\U0002ceb0-\U0002ebef\uf900-\ufaff\U0002f800-\U0002fa1f"
)

# English contractions, whatever their case, and in lower case only.
CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
LOWER_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"

WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
MARKED_WORD = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+"
SYMBOLS = r" ?[^\s\p{L}\p{N}]+"
LINES = r"\s*[\r\n]+"
SPACES = r"\s+(?!\S)|\s+"

DIGIT = r"\p{N}"
DIGITS = r"\p{N}+"
THREE_DIGITS = r"\p{N}{1,3}"
ASCII_TRIPLE = "[0-9][0-9][0-9]"
# Groups of three counted from the right. llama.cpp leaves what stands before the digits with the first group.
TRIPLES_FROM_RIGHT = r"\P{N}*\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))"
BEFORE_TRIPLES = "(?=(?:[0-9]{3})+(?![0-9]))"
NEWLINES = r"[^\n]+|[\n]+"

GPT2 = rf"{LOWER_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+|{SYMBOLS}|{SPACES}"


def _words(numbers: str, symbols: str = rf"{SYMBOLS}[\r\n]*", spaces: str = rf"{LINES}|{SPACES}") -> str:
    return "|".join([CONTRACTIONS, WORD, numbers, symbols, spaces])


LLAMA3 = _words(THREE_DIGITS)
QWEN2 = _words(DIGIT)
QWEN35 = rf"{CONTRACTIONS}|{MARKED_WORD}|{DIGIT}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{LINES}|{SPACES}"
MINICPM5 = _words(DIGITS)
SEED_CODER = _words(r"\p{N}{1}", r" ?[^\s\p{L}\p{N}\r\n]+")
UFAKZEKA = QWEN2.removeprefix(CONTRACTIONS + "|")
JAIS2 = _words(
    THREE_DIGITS,
    spaces=LINES + "".join(rf"|\s{{{n}}}(?!\S)" for n in (512, 256, 128, 64, 32, 16, 8, 4, "1,2")) + r"|\s{1}",
)
BAILING = rf"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|{WORD}|{DIGIT}|{SYMBOLS}[\r\n]*|\s*[\r\n]|{SPACES}"
EXAONE_MOE = "|".join(
    [
        CONTRACTIONS,
        r"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+",
        DIGIT,
        rf"{SYMBOLS}[\r\n/]?",
        r"\s*[\r\n]",
        SPACES,
    ]
)


def _cased(upper: str, lower: str, after: str, numbers: str, symbols: str = rf"{SYMBOLS}[\r\n/]*") -> str:
    lead = r"[^\r\n\p{L}\p{N}]?"
    words = [f"{lead}{upper}*{lower}+{after}", f"{lead}{upper}+{lower}*{after}"]
    return "|".join([*words, numbers, symbols, LINES, SPACES])


# A letter that is not of the other case; only ASCII letters have one here.
_UPPER, _LOWER = r"[\p{L}&&[^a-z]]", r"[\p{L}&&[^A-Z]]"
_ANY = r"[\p{L}\p{M}]"
TEKKEN = _cased(_UPPER, _LOWER, "", DIGIT)
GPT4O = _cased(_UPPER, _LOWER, CONTRACTIONS + "?", THREE_DIGITS)
GRANITE_MULTI = _cased(r"[[\p{L}\p{M}]&&[^a-z]]", r"[[\p{L}\p{M}]&&[^A-Z]]", CONTRACTIONS + "?", THREE_DIGITS)
YOUTU = _cased(_ANY, _ANY, CONTRACTIONS + "?", DIGIT)
TINY_AYA = _cased(_ANY, _ANY, CONTRACTIONS + "?", THREE_DIGITS)
YOUTU_SCRIPTS = (
    "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+"
    "|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
)
KIMI_K2 = "|".join(
    [
        f"[{HAN}]+",
        rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}&&[^{HAN}]]+{CONTRACTIONS}?",
        THREE_DIGITS,
        rf"{SYMBOLS}[\r\n]*",
        LINES,
        SPACES,
    ]
)

_ASCII_PUNCTUATION = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"
DEEPSEEK3 = "|".join(
    [
        _ASCII_PUNCTUATION + "[A-Za-z]+",
        r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+",
        r" ?[\p{P}\p{S}]+[\r\n]*",
        LINES,
        SPACES,
    ]
)
SPARK = DEEPSEEK3.replace(rf"+[\r\n]*|{LINES}", r"+|[\r\n]")
DEEPSEEK_PUNCTUATION = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3001-\u3002]+"
DEEPSEEK_LETTERS = rf"\s?[{CASED_LETTERS}]+"

FALCON_PUNCTUATION = r"[\p{P}\$\+<=>\^~\|`]+"
DEFAULT_PUNCTUATION = r"[\p{P}\$\+<=>\^~\|]+"
BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
CHAMELEON_PUNCTUATION = r"[\p{P}!-/:-@\[-`{-~]"
