from __future__ import annotations

import pytest

from hub.inspection import short_bytes, short_count


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (494_032_768, "494M"), (134_515_008, "135M"), (22_713_216, "22.7M"), (7_615_616_512, "7.6B"), (840, "840"),
        (99_960_000, "100M"), (1_234, "1.2K"), (0, "0"), (1_100_000_000_000, "1.1T"),
    ],
)  # fmt: skip
def test_counts_read_like_model_names(n: int, text: str) -> None:
    assert short_count(n) == text


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 bytes"), (999, "999 bytes"), (397_808_192, "397.8 MB"), (2e9, "2.0 GB")]
)
def test_bytes_in_decimal_units(n: int, text: str) -> None:
    assert short_bytes(n) == text
