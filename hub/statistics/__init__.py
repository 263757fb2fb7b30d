"""Numbers over a tensor's values, read in pieces by several threads."""

from hub.statistics._stats import Scan, Stats, scan, scan_all
from hub.statistics._threads import in_order

__all__ = ["Scan", "Stats", "in_order", "scan", "scan_all"]
