"""Whether files that other programs wrote are read as what those programs were given."""

from __future__ import annotations

from pathlib import Path

from hub.interface import Format
from hub.plugins import registry
from hub_conformance.notation import differences
from hub_conformance.suite._case import FormatCase, declared, expect_none
from hub_conformance.suite._golds import NONE, expected, gold_path
from hub_conformance.suite._pairs import exchange


class GoldTests(FormatCase):
    """Gold is its vector; on the way through any other format and back nothing is lost that is not declared."""

    def test_gold_is_its_vector(self, fmt: Format, gold: str) -> None:
        """The file reads as the canonical form that lies beside it."""
        if gold == NONE:
            declared(NONE)
        expect_none(differences(expected(self.format, gold), fmt.read(gold_path(self.format, gold))))

    def test_gold_comes_back(self, fmt: Format, gold_pair: str, tmp_path: Path) -> None:
        """From here to a peer and back to this format: the canonical form of before."""
        peer, _, gold = gold_pair.partition("/")
        if gold == NONE:
            declared(NONE)
        other, document = registry().named(peer), expected(self.format, gold)
        exchange(fmt, other, document, tmp_path, gold_path(self.format, gold))
