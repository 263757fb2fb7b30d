"""Numbers as people say them."""

from __future__ import annotations


def short_count(n: int) -> str:
    """A count the way model names say it: 494M, 1.5B, 22.7M, 840."""
    for unit, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if n >= unit:
            return f"{n / unit:.0f}{letter}" if n >= 99.95 * unit else f"{n / unit:.1f}{letter}"
    return str(n)


def short_bytes(n: int) -> str:
    """Bytes in decimal units, as disks and hubs count them: 397.8 MB."""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if n >= unit:
            return f"{n / unit:.1f} {name}"
    return f"{n} bytes"


def counted(n: int, what: str) -> str:
    """A number of things: "1 tensor", "2 tensors"."""
    return f"{n:,} {what}" + "s" * (n != 1)
