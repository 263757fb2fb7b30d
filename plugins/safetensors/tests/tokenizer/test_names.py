from __future__ import annotations

from hub.ir import PRE_TOKENIZERS as NAMES
from hub_safetensors.tokenizer._pretokenizers import PRE_TOKENIZERS


def test_every_name_has_rules_and_every_rule_a_name() -> None:
    assert set(PRE_TOKENIZERS) == NAMES
    assert len(NAMES) == 91
