from __future__ import annotations

import signal
import threading

import pytest

from hub.pipeline import interrupted_once


def test_the_first_signal_is_heeded_and_no_other_until_the_block_is_left() -> None:
    cleaned = []
    with pytest.raises(KeyboardInterrupt), interrupted_once():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned.append("all of it")
    assert cleaned == ["all of it"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_one_that_was_heeded_inside_counts_outside() -> None:
    with pytest.raises(KeyboardInterrupt), interrupted_once():
        try:
            with interrupted_once():
                signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_those_of_before() -> None:
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]
    with interrupted_once():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_thread_changes_nothing() -> None:
    seen = []

    def work() -> None:
        with interrupted_once():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
