"""The plugin is there, and what it says of itself makes sense."""

from __future__ import annotations

from dataclasses import fields

from hub.interface import Capabilities, Format, Options
from hub.ir import ENCODINGS
from hub.plugins import registry
from hub_conformance.suite._case import FormatCase, expect
from hub_conformance.suite._claims import WORDS


class LoadingTests(FormatCase):
    """The format is installed and well declared."""

    def test_plugin_loads(self) -> None:
        """A plugin brings the format, and none of its name failed."""
        found = registry()
        problems = [f"{p.plugin}: {p.message}" for p in found.problems]
        expect(
            self.format in found.formats, f"no plugin brings {self.format!r}; {'; '.join(problems) or 'none failed'}"
        )

    def test_members_are_of_their_types(self, fmt: Format) -> None:
        """Name, title, extensions, magic and capabilities are what the protocol says."""
        expect(isinstance(fmt, Format), "lacks members of hub.interface.Format")
        expect(isinstance(fmt.capabilities, Capabilities), f"capabilities are {fmt.capabilities!r}")
        expect(bool(fmt.title), "has no title")
        odd = [e for e in fmt.extensions if not e.startswith(".") or e != e.lower()]
        expect(not odd, f"an extension starts with a dot and is in lower case, not {odd}")
        expect(bool(fmt.extensions) or fmt.capabilities.folder, "has neither an extension nor folders")
        expect(all(m.data and m.offset >= 0 for m in fmt.magic), "a magic is empty or lies before the file")

    def test_declarations_use_known_words(self, fmt: Format) -> None:
        """Encodings, `drops` and `supports` name what there is."""
        unknown = sorted(fmt.capabilities.encodings - ENCODINGS.keys())
        expect(not unknown, f"capabilities name encodings that there are not: {unknown}")
        expect(bool(fmt.capabilities.encodings), "capabilities name no encoding")
        expect(fmt.drops <= WORDS, f"drops names {sorted(fmt.drops - WORDS)}; the words are {sorted(WORDS)}")
        options = {field.name for field in fields(Options)}
        expect(fmt.supports <= options, f"supports names {sorted(fmt.supports - options)}, which are no options")

    def test_declarations_agree(self, fmt: Format) -> None:
        """`drops` and the capabilities do not contradict each other."""
        can = fmt.capabilities
        for word, holds in {"config": can.config, "tokenizer": can.tokenizer, "ties": can.ties}.items():
            expect(not (holds and word in fmt.drops), f"drops {word!r}, and says in its capabilities that it holds it")
        expect(can.shards or "shard_size" not in fmt.supports, "supports shard_size, and has no shards")
