"""APR as a format of the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.interface import BaseFormat, Capabilities, Finding, Magic, Options, Plan, Sink
from hub.ir import ENCODINGS, Model

if TYPE_CHECKING:
    from hub.signing import OwnSignature


class APR(BaseFormat):
    """The `.apr` container: v2 read and written, v1 shown, the dialects before them read.

    Every encoding can be held: what the container has no dtype for is carried byte for byte.
    """

    name = "apr"
    title = "APR"
    extensions = (".apr",)
    magic = (Magic(b"APR\0"), Magic(b"APRN"), Magic(b"APR1"), Magic(b"APR2"), Magic(b"{"))
    capabilities = Capabilities(encodings=frozenset(ENCODINGS), shards=True)
    drops: frozenset[str] = frozenset()
    supports = frozenset({"shard_size", "portable", "compression", "pre", "target"})
    alignment = 64  # ALIGNMENT of hub_apr.container, which takes long to import

    def sniff(self, path: Path, head: bytes) -> bool:
        """True for every dialect, and for the JSON manifest of shards."""
        from hub_apr._shards import is_manifest
        from hub_apr.container import tell

        return path.is_file() and (tell(head) is not None or is_manifest(head))

    def read(self, path: Path) -> Model:
        """See `hub.interface.Format.read`; v1 files raise `UnsupportedFile`, `describe` shows them."""
        from hub_apr._read import read_model

        return read_model(path)

    def plan(self, model: Model, options: Options) -> Plan:
        """See `hub.interface.Format.plan`."""
        from hub_apr._plan import make_plan

        return make_plan(model, options)

    def write(self, plan: Plan, sink: Sink, options: Options) -> None:
        """See `hub.interface.Format.write`."""
        from hub_apr._write import write_plan

        write_plan(plan, sink, options)

    def validate(self, path: Path) -> Iterator[Finding]:
        """See `hub.interface.Format.validate`."""
        from hub_apr._validate import findings

        return findings(path)

    def own_signature(self, path: Path) -> OwnSignature | None:
        """The Ed25519 signature of a v1 file that is SIGNED; None for every other. See `hub.signing.SignsItself`."""
        from hub_apr._read import open_parts
        from hub_apr.container import V1

        opened = open_parts(path)
        return opened.own_signature() if isinstance(opened, V1) else None

    def describe(self, path: Path) -> dict[str, Any] | None:
        """What a file is that `read` refuses because it is shown only (v1); None for every other."""
        from hub_apr._read import open_parts
        from hub_apr.container import V1

        opened = open_parts(path)
        return opened.describe() if isinstance(opened, V1) else None
