"""The recipes as data.

Source: `llama_ftype`, `llama_ftype_get_default_type` and `llama_tensor_get_type_impl` of llama.cpp (llama.h,
llama-quant.cpp). A line is a recipe: its name, the number that `general.file_type` has for it, the encoding that most
tensors get, then parts of the model with what they get instead. Of the words behind a part the first whose conditions
hold counts; conditions are joined by "+", "!" denies one, and a word without any always holds. `_choose` has what the
conditions mean. What all recipes have in common stands there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hub.recipes._parts import Part

_LINES = """
q4_0      2 Q4_0    | down imatrix+eighth:Q4_1
q4_1      3 Q4_1
q8_0      7 Q8_0
q5_0      8 Q5_0    | down imatrix+eighth:Q5_1
q5_1      9 Q5_1
q2_k     10 Q2_K    | value shared4:Q4_K Q3_K | down Q3_K | out experts8:Q5_K Q3_K
q2_k_s   21 Q2_K    | value shared4:Q4_K | down eighth:Q4_K
q3_k_s   11 Q3_K    | out experts8:Q5_K
q3_k_m   12 Q3_K    | value first2:Q5_K Q4_K | down sixteenth:Q5_K !falcon:Q4_K more:Q4_K | out experts8:Q5_K Q4_K
q3_k_l   13 Q3_K    | value Q5_K | down falcon:Q4_K Q5_K | out falcon:Q4_K !experts8:Q5_K
q4_k_s   14 Q4_K    | value first4:Q5_K | down !falcon+eighth:Q5_K | out experts8:Q5_K
q4_k_m   15 Q4_K    | value more:Q6_K | down falcon+sixteenth:Q6_K falcon+more:Q5_K !falcon+more:Q6_K | out experts8:Q5_K
q5_k_s   16 Q5_K
q5_k_m   17 Q5_K    | value more:Q6_K | down more:Q6_K
q6_k     18 Q6_K
iq1_s    24 IQ1_S   | embedding Q2_K | value rich:Q4_K Q2_K | key experts8:Q4_K | down eighth:Q2_K | out experts8:Q5_K IQ2_XXS
iq1_m    31 IQ1_M   | embedding Q2_K | value rich:Q4_K Q2_K | key experts8:Q4_K | down eighth:Q2_K | out experts8:Q5_K IQ2_XXS
iq2_xxs  19 IQ2_XXS | embedding Q2_K | value rich:Q4_K Q2_K | key experts8:Q4_K | down eighth:Q2_K | out experts8:Q5_K
iq2_xs   20 IQ2_XS  | embedding Q2_K | value rich:Q4_K Q2_K | key experts8:Q4_K | down eighth:Q2_K | out experts8:Q5_K
iq2_s    28 IQ2_XS  | embedding IQ3_S | value rich:Q4_K IQ3_S | key experts8:Q4_K | down eighth:IQ3_S | out experts8:Q5_K IQ3_S
iq2_m    29 IQ2_S   | embedding IQ3_S | value rich:Q4_K IQ3_S | key experts8:Q4_K | down eighth:IQ3_S | out experts8:Q5_K IQ3_S
iq3_xxs  23 IQ3_XXS | embedding IQ3_S | value shared4:Q4_K !imatrix:IQ3_S | key IQ2_S | query IQ2_S | down !imatrix+eighth:Q4_K !imatrix:Q3_K | out experts8:Q5_K IQ3_S
iq3_xs   22 IQ3_S   | value shared4:Q4_K | key IQ3_XXS | query IQ3_XXS | gate middle:IQ3_XXS | up middle:IQ3_XXS | out experts8:Q5_K
iq3_s    26 IQ3_S   | value shared4:Q4_K | out experts8:Q5_K
iq3_m    27 IQ3_S   | value Q4_K | down eighth:Q4_K experts8+more:Q4_K | out experts8:Q5_K Q4_K
iq4_nl   25 IQ4_NL  | value shared4:Q5_K | down !imatrix+eighth:Q5_K | out experts8:Q5_K
iq4_xs   30 IQ4_XS  | value shared4:Q5_K | down !imatrix+eighth:Q5_K | out experts8:Q5_K
tq1_0    36 TQ1_0   | embedding Q4_K
tq2_0    37 TQ2_0   | embedding Q4_K
mxfp4_moe 38 MXFP4  | output Q8_0 | experts MXFP4 | any Q8_0
"""  # noqa: E501


@dataclass(frozen=True)
class Recipe:
    """One mixture: its name, `general.file_type`'s number for it, the usual encoding, and words by part."""

    name: str
    number: int
    default: str
    words: Mapping[Part, Sequence[tuple[tuple[str, ...], str]]] = field(default_factory=dict, hash=False)

    @property
    def lowest(self) -> bool:
        """True for those around one and two bits, which have rules of their own."""
        return self.name.startswith(("iq1", "iq2"))

    @property
    def encodings(self) -> frozenset[str]:
        """Names of all encodings that its words give, and the usual one."""
        return frozenset({self.default, *(encoding for words in self.words.values() for _, encoding in words)})


def _parsed(line: str) -> Recipe:
    head, *parts = line.split("|")
    name, number, default = head.split()
    words: dict[Part, list[tuple[tuple[str, ...], str]]] = {}
    for text in parts:
        kind, *entries = text.split()
        pairs = [entry.rpartition(":") for entry in entries]
        words[Part(kind)] = [(tuple(filter(None, when.split("+"))), encoding) for when, _, encoding in pairs]
    return Recipe(name, int(number), default, words)


RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in map(_parsed, filter(None, _LINES.splitlines()))}
"""All recipes by name."""
