from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.errors import HubError, UsageError
from hub.interface import Options
from hub.ir import File
from hub.opening import open_model
from hub.pipeline import Piece, Request, Share, Silent, convert, default_budget
from hub.pipeline._executors import ATTEMPTS, Engine, Work, engine, run
from hub.pipeline._prepare import prepare
from hub.plugins import registry


class Striking(Silent):
    """Does something once, when the first bytes are written."""

    def __init__(self, strike: Callable[[], object]) -> None:
        self._strike: Callable[[], object] | None = strike
        self._lock = threading.Lock()

    def advance(self, nbytes: int) -> None:
        with self._lock:
            strike, self._strike = self._strike, None
        if strike is not None:
            strike()


def request(source: Path, target: Path, executor: str | None = None, **more: Any) -> Request:
    return Request(source, target, budget=default_budget(2), executor=executor, **more)


def kill_a_child() -> None:
    child = multiprocessing.active_children()[0]
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("out.apr", {}),
        ("out.gguf", {"encode": ["q8_0"]}),
        ("out", {"encode": ["f16"], "options": Options(shard_size=20_000)}),
    ],
)
def test_processes_write_what_threads_write(tiny_gguf: Path, tmp_path: Path, target: str, more: dict[str, Any]) -> None:
    for executor in ("thread", "process"):
        (tmp_path / executor).mkdir()
        report = convert(request(tiny_gguf, tmp_path / executor / target, executor, **more))
        assert report.verified
        assert bool(report.codecs) == bool(more)
    assert any(note.startswith("--executor process: ") for note in report.notes)
    here, there = (sorted(p for p in (tmp_path / e).rglob("*") if p.is_file()) for e in ("thread", "process"))
    assert [p.name for p in here] == [p.name for p in there]
    assert [p.read_bytes() for p in here] == [p.read_bytes() for p in there]


def test_pieces_of_a_process_that_is_killed_are_done_again(many: Path, tmp_path: Path) -> None:
    convert(request(many, tmp_path / "here.safetensors", encode=["f16"]))
    progress = Striking(kill_a_child)
    report = convert(request(many, tmp_path / "there.safetensors", "process", encode=["f16"]), progress)
    assert any(note.startswith("done again: bytes ") and "BrokenProcessPool" in note for note in report.notes)
    assert (tmp_path / "there.safetensors").read_bytes() == (tmp_path / "here.safetensors").read_bytes()


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    distributed = pytest.importorskip("distributed", reason="needs pip install 'dask[distributed]'")
    with (
        warnings.catch_warnings(action="ignore"),  # other people's
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client


def test_a_dask_cluster_that_loses_a_worker_writes_the_same(many: Path, tmp_path: Path) -> None:
    convert(request(many, tmp_path / "here.safetensors", encode=["f16"]))
    with cluster(2) as client:
        before = set(client.run(os.getpid).values())
        assert len(before) == 2
        progress = Striking(lambda: os.kill(min(before), signal.SIGKILL))
        there = "dask://" + client.scheduler.address.removeprefix("tcp://")
        report = convert(request(many, tmp_path / "there.safetensors", there, encode=["f16"]), progress)
        client.wait_for_workers(2, timeout=60)
        assert min(before) not in client.run(os.getpid).values()
    assert any(note.startswith("--executor dask: ") for note in report.notes)
    assert (tmp_path / "there.safetensors").read_bytes() == (tmp_path / "here.safetensors").read_bytes()


def test_ray_writes_the_same(many: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs pip install ray")
    convert(request(many, tmp_path / "here.safetensors", encode=["f16"]))
    with warnings.catch_warnings(action="ignore"):
        convert(request(many, tmp_path / "there.safetensors", "ray", encode=["f16"]))
    assert (tmp_path / "there.safetensors").read_bytes() == (tmp_path / "here.safetensors").read_bytes()


def test_what_is_wrong_with_the_model_is_not_tried_again(many: Path, tmp_path: Path) -> None:
    made = prepare(request(many, tmp_path / "out.safetensors"), registry().named("safetensors"))
    work = Work.of(request(many, tmp_path / "out.safetensors"), made)
    piece = Piece((Share(0, 0, 256, 0, 256 * 512 * 4),))
    with engine("process", 1) as workers:
        with pytest.raises(HubError, match="does not see this file"):
            run(workers, work, str(tmp_path / "nowhere"), [piece], print)
        (tmp_path / "there").touch()
        other = Work(work.request, work.format, "another plan")
        with pytest.raises(HubError, match="plans other tensors"):
            run(workers, other, str(tmp_path / "there"), [piece], print)


def test_a_piece_that_fails_everywhere_ends_the_conversion(many: Path, tmp_path: Path) -> None:
    made = prepare(request(many, tmp_path / "out.safetensors"), registry().named("safetensors"))
    asked: list[object] = []

    def submit(_function: object, *arguments: object) -> Future[Any]:
        asked.append(arguments[2])
        future: Future[Any] = Future()
        future.set_exception(MemoryError("none left"))
        return future

    piece = Piece((Share(0, 0, 1, 0, 4),))
    with pytest.raises(HubError, match=r"gave up: bytes 0-4 of file, attempt 3: MemoryError: none left"):
        run(Engine("failing", 2, submit), Work.of(made_request(many), made), "/a/file", [piece], print)
    assert asked == [piece] * ATTEMPTS


def made_request(source: Path) -> Request:
    return request(source, source.with_name("out.safetensors"))


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        ("spark", "there is no 'spark'; there are thread, process, dask, ray"),
        ("process://host:1", "takes no address"),
        ("ray", r"needs the package ray, .* 'hub-core\[ray\]'"),
    ],
)
def test_an_executor_that_cannot_be_had_is_named(
    many: Path, tmp_path: Path, executor: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=message):
        convert(request(many, tmp_path / "out.safetensors", executor))
    assert [p.name for p in tmp_path.iterdir()] == ["many.safetensors"]


def test_an_executor_without_effect_is_refused(tiny_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--executor has no effect with --compression"):
        convert(request(tiny_gguf, tmp_path / "out.apr", "process", options=Options(compression="zstd")))
    _, model = open_model(tiny_gguf)
    with pytest.raises(UsageError, match="--executor takes a path"):
        convert(Request(model, tmp_path / "out.apr", executor="process"))


def test_work_is_a_value(many: Path, tmp_path: Path) -> None:
    import pickle

    made = prepare(made_request(many), registry().named("safetensors"))
    work = Work.of(Request(many, tmp_path / "out.safetensors", encode=["f16"]), made)
    assert pickle.loads(pickle.dumps(work)) == work  # noqa: S301  # our own
    assert hash(work) == hash(Work.of(Request(many, tmp_path / "out.safetensors", encode=["f16"]), made))
    assert File(many).size > 4 << 20
