"""Ctrl-C while llama.cpp runs."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_runtime.engine import LoadedModel, load
from hub_runtime.engine._library import LOG, library


@pytest.fixture
def pressing(llama: None) -> Iterator[None]:  # noqa: ARG001  # it skips where llama.cpp is not there
    """Ctrl-C is pressed with the first line that llama.cpp logs."""
    left = [signal.SIGINT]

    def press(*_: object) -> None:
        if left:
            signal.raise_signal(left.pop())

    callback = library().llama_log_callback(press)
    library().llama_log_set(callback, ctypes.c_void_p(0))
    yield
    LOG.attach(library())


@pytest.mark.usefixtures("pressing")
def test_it_is_heard_when_the_model_is_loaded(tiny: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(tiny, gpu_layers=0).close()


def test_it_is_heard_when_a_context_is_made(model: LoadedModel, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("pressing")
    with pytest.raises(KeyboardInterrupt):
        model.context(64).close()


def test_it_is_heard_when_a_pass_is_watched(model: LoadedModel) -> None:
    def pressed(_: int, ask: bool) -> bool:
        signal.raise_signal(signal.SIGINT)
        return not ask

    with model.context(64, on_node=pressed) as context:
        batch = context.batch()
        batch.add([1, 2], 0, 0)
        with pytest.raises(KeyboardInterrupt):
            context.decode(batch)


def test_a_handler_is_as_before(model: LoadedModel) -> None:
    before = signal.getsignal(signal.SIGINT)
    model.context(64).close()
    assert signal.getsignal(signal.SIGINT) is before
