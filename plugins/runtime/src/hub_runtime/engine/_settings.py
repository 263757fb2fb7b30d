"""How tokens are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.errors import UsageError


@dataclass(frozen=True, slots=True)
class Settings:
    """How the next token is chosen; the defaults take the likeliest.

    `temperature` 0 is greedy; above 0 the token is drawn after `top_k` (0: all), `top_p` (1: all) and `min_p` (0: all)
    have cut the candidates, in llama.cpp's order. `seed` None draws one. `repeat_penalty` (1: none) divides the logits
    of tokens among the last `repeat_last_n`, prompt included; `presence_penalty` and `frequency_penalty` (0: none) are
    subtracted. `logit_bias` is added by token id. `grammar` is GBNF with the rule `root`; `json_schema` is the text of
    a JSON schema; only one of them. `top_logprobs` N reports the log probability of each token and its N best rivals
    before any of the above; None reports none.
    """

    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    grammar: str | None = None
    json_schema: str | None = None
    top_logprobs: int | None = None

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} must be from {low:g} to {high:g}, not {value}")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise UsageError(f"seed must be from 0 to 4294967295, not {self.seed}")
        if self.grammar is not None and self.json_schema is not None:
            raise UsageError("a grammar and a JSON schema exclude each other")

    @property
    def penalizes(self) -> bool:
        """True when tokens that occurred are treated differently."""
        return self.repeat_penalty != 1.0 or self.presence_penalty != 0.0 or self.frequency_penalty != 0.0

    @property
    def plain(self) -> bool:
        """True when the likeliest token is taken and nothing else plays a part."""
        constrained = self.grammar is not None or self.json_schema is not None
        return self.temperature == 0 and not (self.penalizes or self.logit_bias or constrained)


_RANGES = (
    ("temperature", 0.0, 100.0),
    ("top_k", 0, 2**31 - 1),
    ("top_p", 0.0, 1.0),
    ("min_p", 0.0, 1.0),
    ("repeat_penalty", 0.01, 100.0),
    ("repeat_last_n", 0, 2**31 - 1),
    ("presence_penalty", -100.0, 100.0),
    ("frequency_penalty", -100.0, 100.0),
)
