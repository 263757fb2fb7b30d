"""Running the suite: a child process for each format, watched, and started again after a test that took it down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.errors import HubError, NoPlugin, UsageError
from hub_conformance.runner._child import LOADING, matches
from hub_conformance.runner._results import Result, Verdict
from hub_conformance.suite._case import short

STARTING = 60.0  # seconds for the import of all plugins and the collection of the tests
_MOST_DEATHS = 3  # after so many tests that hung or crashed the rest is not run
_DROPPED = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTHONWARNINGS")

Watch = Callable[[Result], None]


@dataclass(frozen=True)
class Wanted:
    """What to run: `only` and the keys of `disable` are names of tests or globs; `limit` caps each test's seconds.

    `peers`: formats to exchange models with; None means all that are installed.
    """

    only: Sequence[str] = ()
    disable: Mapping[str, str] = field(default_factory=dict)
    peers: Sequence[str] | None = None
    limit: float | None = None


@dataclass
class _Progress:
    """What the journals of all children of one format said so far."""

    tests: dict[str, float] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    absent: dict[str, Any] = field(default_factory=dict)
    running: str | None = None
    since: float = 0.0
    finished: bool = False

    def take(self, event: dict[str, Any], watch: Watch | None) -> None:
        """Note one line of a journal."""
        kind = event.pop("event")
        self.since = time.monotonic()
        if kind == "start":
            self.running = event["test"]
        elif kind == "end":
            self.add(Result(**event), watch)
        elif kind == "collected":
            self.tests, self.running = dict(event["tests"]), None
        elif kind == "about":
            self.about = event
        elif kind == "absent":
            self.absent, self.finished = event, True
        elif kind == "finished":
            self.finished = True

    def add(self, result: Result, watch: Watch | None) -> None:
        """Note how a test ended."""
        self.running = None
        before = self.results.get(result.test)
        if before is None or before.outcome == "pass":
            self.results[result.test] = result
            if watch:
                watch(result)


def run(formats: Sequence[str], wanted: Wanted | None = None, watch: Watch | None = None) -> list[Verdict]:
    """The verdict on each format, tested one after another.

    Each exchanges models with every peer, both ways with peers that are not among `formats`. `NoPlugin` for a format
    that nothing brings, `UsageError` for names that no test has, `HubError` when a child does not start.
    """
    wanted = wanted or Wanted()
    verdicts = []
    for name in formats:
        peers = wanted.peers if wanted.peers is not None else installed()
        others = [peer for peer in peers if peer != name]
        guests = [peer for peer in others if peer not in formats]
        verdicts.append(_verdict(name, {"peers": others, "guests": guests}, wanted, watch))
    return verdicts


def installed() -> list[str]:
    """Names of all formats, asked of a process of its own; plugins that fail are left out."""
    code = "import json; from hub.plugins import registry; print(json.dumps(sorted(registry().formats)))"
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=STARTING, check=True
        )
    except subprocess.SubprocessError:
        return []
    return list(json.loads(done.stdout.splitlines()[-1]))


def listed(name: str, wanted: Wanted) -> list[str]:
    """The tests that would run on a format."""
    progress = _Progress()
    with tempfile.TemporaryDirectory(prefix="hub-conformance-") as folder:
        _once(
            _task(name, {"peers": None, "guests": None}, wanted, progress, folder) | {"list": True},
            progress,
            None,
            None,
        )
    _check_present(name, progress)
    return list(progress.tests)


def _verdict(name: str, others: Mapping[str, Any], wanted: Wanted, watch: Watch | None) -> Verdict:
    progress, deaths = _Progress(), 0
    with tempfile.TemporaryDirectory(prefix="hub-conformance-") as folder:
        while not progress.finished and deaths < _MOST_DEATHS:
            ending = _once(_task(name, others, wanted, progress, folder), progress, wanted.limit, watch)
            if not progress.finished:
                if progress.running is None:
                    raise HubError(f"the tests of {name!r} could not be run: {ending}")
                progress.add(Result(progress.running, "FAIL", ending), watch)
                deaths += 1
            if LOADING in progress.results and not progress.tests:
                break
    _check_present(name, progress, watch)
    if LOADING not in progress.results or progress.tests:
        _check_effect(wanted, list(progress.tests))
    rest = [test for test in progress.tests if test not in progress.results]
    skipped = (Result(test, "disabled", f"{deaths} tests before it hung or crashed") for test in rest)
    return Verdict(name, progress.about, [*progress.results.values(), *skipped])


def _check_present(name: str, progress: _Progress, watch: Watch | None = None) -> None:
    """`NoPlugin` when nothing brings the format; a plugin of that name which fails to import fails its first test."""
    if not progress.absent:
        return
    problems = progress.absent["problems"]
    own = [text for text in problems if name in text.partition(":")[0]]
    if not own:
        failed = f"; failed: {'; '.join(problems)}" if problems else ""
        raise NoPlugin(f"no plugin brings a format {name!r}{failed}", hint=f"installed: {progress.absent['installed']}")
    progress.add(Result(LOADING, "FAIL", short(own[0])), watch)


def _check_effect(wanted: Wanted, tests: Sequence[str]) -> None:
    """`UsageError` for a name that is no test's: it would have no effect."""
    if wanted.only and not tests:
        raise UsageError(f"--only {' '.join(wanted.only)} names no test", hint="--list shows them")
    for pattern in wanted.disable:
        if tests and not any(matches(test, pattern) for test in tests):
            raise UsageError(f"--disable {pattern} names no test that would run", hint="--list shows them")


def _task(name: str, others: Mapping[str, Any], wanted: Wanted, progress: _Progress, folder: str) -> dict[str, Any]:
    return {
        "format": name, **others, "only": list(wanted.only), "disable": dict(wanted.disable), "list": False,
        "done": list(progress.results), "folder": folder,
    }  # fmt: skip


def _once(task: dict[str, Any], progress: _Progress, limit: float | None, watch: Watch | None) -> str:
    """One child, until it ends or a test takes too long; how it ended."""
    with tempfile.TemporaryDirectory(dir=task["folder"]) as scratch:
        journal, log, trust = (Path(scratch) / name for name in ("journal", "log", "trust.toml"))
        journal.touch()
        trust.touch()  # a policy that asks for nothing, in the place of the user's own
        environment = {key: value for key, value in os.environ.items() if key not in _DROPPED}
        paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        environment |= {
            "PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths)),  # the child works in another folder
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "HUB_TRUST": str(trust),
            "HUB_CONFORMANCE": json.dumps(task | {"journal": str(journal)}),
        }  # fmt: skip
        with log.open("wb") as out:
            command = [sys.executable, "-m", "hub_conformance.runner._child"]
            child = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=scratch)  # noqa: S603
            try:
                late = _follow(child, journal, progress, limit, watch)
            finally:
                child.kill()
                code = child.wait()
        if late:
            return f"took longer than {late:g} s"
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        return short(f"the process ended with {code}: {lines[-1] if lines else 'it printed nothing'}")


def _follow(
    child: subprocess.Popen[bytes], journal: Path, progress: _Progress, limit: float | None, watch: Watch | None
) -> float:
    """Take in what the child tells until it ends; the seconds that a test had when it took longer, 0 otherwise."""
    progress.since, progress.running = time.monotonic(), None
    with journal.open(encoding="utf-8") as lines:
        text = ""
        while True:
            ended = child.poll() is not None
            text += lines.read()
            *whole, text = text.split("\n")
            for line in whole:
                progress.take(json.loads(line), watch)
            allowed = _allowed(progress, limit)
            if ended:
                return 0.0
            if time.monotonic() - progress.since > allowed:
                return allowed
            time.sleep(0.01)


def _allowed(progress: _Progress, limit: float | None) -> float:
    """Seconds that may pass before the next line."""
    if progress.running in (None, LOADING):
        return STARTING if limit is None else max(limit, 10.0)
    own = progress.tests.get(progress.running, STARTING)
    return own if limit is None else min(limit, own)
