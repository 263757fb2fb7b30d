"""Work beside the caller's gives what it would have given, and raises what it would have raised."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from hub.beside import Beside

said: ContextVar[str] = ContextVar("said", default="nothing")


def test_it_goes_on_while_the_caller_does() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        assert go_on.wait(10)
        return 7

    beside = Beside(work)
    assert begun.wait(10)
    go_on.set()
    assert (beside.result(), beside.result()) == (7, 7)


def test_an_error_is_the_callers_who_asks() -> None:
    def work() -> None:
        raise KeyError("missing")

    beside = Beside(work)
    for _ in range(2):
        with pytest.raises(KeyError, match="missing"):
            beside.result()


def test_it_has_the_callers_context() -> None:
    token = said.set("something")
    try:
        assert Beside(said.get).result() == "something"
    finally:
        said.reset(token)
