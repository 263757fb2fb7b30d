"""How far a download is, told to the hub."""

from __future__ import annotations

from typing import Any

from hub.pipeline import Progress


def telling(progress: Progress) -> type[Any]:
    """A progress bar of huggingface_hub's kind that shows nothing and tells `progress`; `told` sums it up."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        """Called with the bytes of each piece."""

        told = 0

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named | {"disable": True})  # type: ignore[no-untyped-call]  # tqdm has no types

        def update(self, n: float | None = 1) -> None:
            """`n` more bytes are there; fewer than none when a server begins again."""
            Bar.told += int(n or 0)
            progress.advance(int(n or 0))

        def update_transfer(self, n: float) -> None:
            """Nothing: bytes on the line and bytes in the file would be counted twice."""

    return Bar
