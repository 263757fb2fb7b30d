"""Who runs pieces in other processes: a pool on this machine, Dask, Ray."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, TypeVar

from hub.allocator import reuse_memory, search_seldom
from hub.errors import HubError, UsageError

T = TypeVar("T")

_QUEUED = 2  # pieces given out for each worker: one that it does, one that waits


@dataclass(frozen=True)
class Engine:
    """Workers that are ready: `submit(function, *arguments)` gives a future; `width` pieces keep all of them busy."""

    name: str
    width: int
    submit: Callable[..., Future[Any]]


def engine(name: str, jobs: int) -> AbstractContextManager[Engine]:
    """The workers that "process", "dask", "ray", "dask://HOST:PORT" or "ray://HOST:PORT" names.

    Without an address `jobs` of them are started on this machine. `UsageError` for other names, and where the engine's
    package is missing.
    """
    kind, _, address = name.partition("://")
    if kind not in ENGINES:
        raise UsageError(f"--executor: there is no {name!r}", hint=f"there are thread, {', '.join(ENGINES)}")
    if address and kind == "process":
        raise UsageError("--executor process takes no address: its workers run on this machine")
    return ENGINES[kind](address, jobs)


class _Pool:
    """A pool of processes that is made anew when one of them is lost."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool = self._fresh()

    def _fresh(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._jobs, get_context("spawn"), initializer=_begin)

    def submit(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        try:
            return self._pool.submit(function, *arguments)
        except BrokenExecutor:
            self._pool.shutdown(wait=False)
            self._pool = self._fresh()
            return self._pool.submit(function, *arguments)

    def close(self) -> None:
        """End when what is being written is written; what waits is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Leave Ctrl-C to the process that started this one, end when that one is killed, and set up memory as it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()
    reuse_memory()
    search_seldom()


def _end_with(parent: BaseProcess | None) -> None:
    """The queue that pieces come by would never say that nobody is left to send any."""
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _process(_address: str, jobs: int) -> Iterator[Engine]:
    pool = _Pool(jobs)
    try:
        yield Engine("process", _QUEUED * jobs, pool.submit)
    finally:
        pool.close()


@contextmanager
def _dask(address: str, jobs: int) -> Iterator[Engine]:
    distributed = _module("distributed", "dask")
    with ExitStack() as stack:
        there: Any = f"tcp://{address}"
        if not address:
            cluster = distributed.LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
            there = stack.enter_context(cluster)
        client = _reached(address, lambda: distributed.Client(there, timeout="20s", set_as_default=False))
        stack.enter_context(client)
        workers = sum(client.nthreads().values()) or jobs
        yield Engine("dask", _QUEUED * workers, client.get_executor(pure=False).submit)


@contextmanager
def _ray(address: str, jobs: int) -> Iterator[Engine]:
    ray = _module("ray", "ray")
    told = {"address": f"ray://{address}"} if address else {"num_cpus": jobs}
    _reached(address, lambda: ray.init(**told))

    def submit(function: Callable[..., Any], *arguments: object) -> Future[Any]:
        future: Future[Any] = ray.remote(function).remote(*arguments).future()
        return future

    try:
        yield Engine("ray", _QUEUED * int(ray.cluster_resources().get("CPU", jobs)), submit)
    finally:
        ray.shutdown()


ENGINES: dict[str, Callable[[str, int], AbstractContextManager[Engine]]] = {
    "process": _process, "dask": _dask, "ray": _ray,
}  # fmt: skip


def _module(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        hint = f"python -m pip install 'hub-core[{extra}]' brings it"
        raise UsageError(f"--executor {extra} needs the package {name}, which is not installed", hint=hint) from None


def _reached(address: str, connect: Callable[[], T]) -> T:
    """What `connect` gives; whatever an engine raises where nobody answers at `address` is one error."""
    try:
        return connect()
    except Exception as error:
        where = f"at {address}" if address else "on this machine"
        raise HubError(f"--executor: no workers {where}: {type(error).__name__}: {error}") from error
