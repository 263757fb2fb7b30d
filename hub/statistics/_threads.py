"""Work on many tensors at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hub.pipeline import Progress

T = TypeVar("T")
R = TypeVar("R")

THREADS = min(8, os.cpu_count() or 1)


def in_order(
    function: Callable[[T], R], items: Sequence[T], nbytes: Callable[[T], int], progress: Progress, what: str
) -> Iterator[tuple[T, R]]:
    """Each item with `function` of it, in order, worked out by several threads; those not begun drop when left early.

    `progress` hears of `nbytes` of each item as it is done.
    """
    progress.start(what, sum(map(nbytes, items)))
    pool = ThreadPoolExecutor(THREADS)
    try:
        for item, result in zip(items, pool.map(function, items), strict=True):
            progress.advance(nbytes(item))
            yield item, result
    finally:
        pool.shutdown(cancel_futures=True)
