"""What a recipe chooses for each tensor of a model: the decisions of llama.cpp's quantizer, in its order.

Source: `llama_tensor_get_type`, `llama_tensor_get_type_impl`, `tensor_type_fallback` and `tensor_requires_imatrix` of
llama-quant.cpp. It walks over tensors layer by layer and counts values and down projections as it goes; "more bits"
are for the first and last eighth of the layers and every third between them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.errors import UsageError
from hub.ir import ENCODINGS, Encoding, Model, Tensor
from hub.recipes._parts import Part, layer, of_expert, part, stack
from hub.recipes._table import Recipe

# Where a row is no multiple of the block length: the encoding that is taken instead.
_FALLBACK = {
    "IQ1_S": "IQ4_NL", "IQ1_M": "IQ4_NL", "IQ2_XXS": "IQ4_NL", "IQ2_XS": "IQ4_NL", "IQ2_S": "IQ4_NL",
    "IQ3_XXS": "IQ4_NL", "IQ3_S": "IQ4_NL", "IQ4_XS": "IQ4_NL", "Q2_K": "Q4_0", "Q3_K": "Q4_0", "TQ1_0": "Q4_0",
    "TQ2_0": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}  # fmt: skip
_NEED_IMPORTANCE = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS"})
_SEVENTY = {"llama": 80, "mistral": 80, "qwen2": 80, "olmo": 80}  # layers of a "70B", whose values get more bits


@dataclass(frozen=True)
class Choice:
    """What one tensor becomes, and why when that is not what the recipe says at first."""

    encoding: Encoding
    reason: str = ""


@dataclass
class _State:
    """The facts that conditions look at, and where in the model the walk is."""

    family: str
    layers: int
    shared: int
    experts: int
    seventy: bool
    imatrix: bool
    values: int
    at: int = 0
    of: int = 0
    seen: dict[Part, int] = field(default_factory=dict)

    def holds(self, condition: str) -> bool:
        """True when one condition of a recipe holds for the tensor at hand."""
        at, of = self.at, self.of
        if condition.startswith("!"):
            return not self.holds(condition[1:])
        return {
            "imatrix": self.imatrix,
            "falcon": self.family == "falcon",
            "shared4": self.shared >= 4,
            "experts8": self.experts == 8,
            "rich": self.shared >= 4 or self.experts >= 4,
            "first2": at < 2,
            "first4": at < 4,
            "eighth": at < of // 8,
            "sixteenth": at < of // 16,
            "middle": of // 8 <= at < 7 * of // 8,
            "more": at < of // 8 or at >= 7 * of // 8 or (at - of // 8) % 3 == 2,
        }[condition]


def choose(recipe: Recipe, model: Model, imatrix: bool = False) -> dict[str, Choice]:
    """The encoding of every tensor of `model` that `recipe` quantizes, by canonical name; experts of a layer alike.

    `imatrix` says that there is an importance matrix. `MissingFact` when the configuration does not say how many layers
    or heads there are, `UsageError` when the recipe needs an importance matrix for a tensor and there is none.
    """
    state = _state(model, imatrix)
    groups: dict[tuple[int, str], list[Tensor]] = {}
    for name, tensor in model.tensors.items():
        if _allowed(tensor):
            groups.setdefault((layer(name), stack(name)), []).append(tensor)
    tied = not any(part(name) is Part.OUTPUT for name in model.tensors)
    chosen: dict[str, Choice] = {}
    for (_, name), tensors in sorted(groups.items(), key=lambda item: item[0]):
        choice = _fitted(_chosen(recipe, state, name, tensors[0], tied), _columns(tensors[0], state.family))
        if not imatrix and _needs_importance(recipe, name, choice.encoding.name):
            raise UsageError(f"--encode {recipe.name} needs an importance matrix for {name}", hint="--imatrix FILE")
        chosen |= {tensor.name: choice for tensor in tensors}
    return chosen


def _state(model: Model, imatrix: bool) -> _State:
    config = model.config
    layers, heads = config.require("num_hidden_layers", int), config.require("num_attention_heads", int)
    shared, family = heads // max(1, config.num_kv_heads), config.family or ""
    seventy = _SEVENTY.get(family) == layers and (family == "qwen2" or family == "olmo" or shared > 1)
    values = len({stack(n) for n, t in model.tensors.items() if part(n) is Part.VALUE and _allowed(t)})
    return _State(family, layers, shared, config.fact("num_experts", int) or 0, seventy, imatrix, values)


def _allowed(tensor: Tensor) -> bool:
    """Matrices of numbers only; a dimension of one at the end counts for nothing."""
    dims = len(tensor.shape) if len(tensor.shape) < 2 or any(n > 1 for n in tensor.shape[:-1]) else 1
    return dims >= 2 and tensor.encoding.kind in {"float", "block"} and part(tensor.name) is not Part.KEPT


def _columns(tensor: Tensor, family: str) -> int:
    """Values in a row of the GGUF: GPT-2's projections lie turned in Hugging Face's files."""
    turned = family == "gpt2" and tensor.name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
    return tensor.shape[0] if turned else tensor.shape[-1]


def _chosen(recipe: Recipe, state: _State, name: str, tensor: Tensor, tied: bool) -> str:
    kind = part(name)
    if kind is Part.OUTPUT or (kind is Part.EMBEDDING and tied):
        return _output(recipe, state, _columns(tensor, state.family))
    if Part.ANY in recipe.words:  # told apart by experts alone
        kind = Part.EXPERTS if of_expert(name) else Part.ANY
    _walk(recipe, state, kind, name)
    encoding = _word(recipe, state, kind)
    return encoding if recipe.lowest else _raised(state, kind, encoding)


def _output(recipe: Recipe, state: _State, columns: int) -> str:
    """The output, or the embedding where that is the output too."""
    if Part.OUTPUT in recipe.words:
        return recipe.words[Part.OUTPUT][0][1]
    if state.family == "falcon" or columns % ENCODINGS[recipe.default].block:
        return "Q8_0"
    if recipe.lowest or recipe.name == "iq3_xxs":
        return "Q5_K"
    return recipe.default if recipe.default == "Q8_0" else "Q6_K"


def _walk(recipe: Recipe, state: _State, kind: Part, name: str) -> None:
    """Set where the tensor at hand stands among those of its kind."""
    before = state.seen.get(kind, 0)
    state.seen[kind] = before + 1
    counted = kind is Part.VALUE or recipe.lowest or state.experts <= 1
    state.at = before if counted else layer(name)
    state.of = state.values if kind is Part.VALUE else state.layers


def _word(recipe: Recipe, state: _State, kind: Part) -> str:
    if kind is Part.OUT and state.family == "falcon" and not recipe.lowest:
        return "Q4_K" if recipe.name == "q3_k_l" else recipe.default
    found = (encoding for when, encoding in recipe.words.get(kind, ()) if all(map(state.holds, when)))
    return next(found, recipe.default)


def _raised(state: _State, kind: Part, encoding: str) -> str:
    """More for keys and values of models that share them among many."""
    if kind in {Part.KEY, Part.VALUE} and state.experts == 8:
        return "Q8_0"
    if kind is Part.VALUE and state.seventy and encoding in {"Q3_K", "Q4_K"}:
        return "Q5_K"
    return encoding


def _fitted(name: str, columns: int) -> Choice:
    """`name`, or what is taken where rows are not whole blocks of it."""
    encoding = ENCODINGS[name]
    if columns % encoding.block == 0:
        return Choice(encoding)
    other = ENCODINGS[_FALLBACK.get(name, name)]
    if columns % other.block:
        other = ENCODINGS["F16"]
    return Choice(other, f"rows of {columns} are not whole blocks of {name}")


def _needs_importance(recipe: Recipe, name: str, encoding: str) -> bool:
    if part(name) in {Part.EMBEDDING, Part.OUTPUT}:
        return False
    return encoding in _NEED_IMPORTANCE or (encoding == "Q2_K" and recipe.name == "q2_k_s")
