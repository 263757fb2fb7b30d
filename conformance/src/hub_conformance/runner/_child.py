"""The process that runs the tests: pytest with settings of its own, telling a journal what happens.

The journal is a file of JSON lines that the parent follows: what is collected, which test begins, how it ended.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from hub.plugins import registry
from hub_conformance.runner._results import Outcome
from hub_conformance.suite import FormatConformance
from hub_conformance.suite._case import DECLARED, DISABLED, LIMIT, NOTHING, CannotJudge, Nonconformant, short

LOADING = "test_plugin_loads"
_SETTINGS = """[pytest]
filterwarnings = ignore
"""


def matches(test: str, pattern: str) -> bool:
    """True when `pattern` names the test, with or without its argument, or matches it as a glob."""
    return pattern in {test, test.partition("[")[0]} or fnmatchcase(test, pattern.replace("[", "[[]"))


class Journal:
    """A pytest plugin: chooses the tests, puts them in order, and writes down what becomes of them."""

    def __init__(self, task: dict[str, Any], path: Path) -> None:
        self.task = task
        self._file = path.open("a", encoding="utf-8")

    def tell(self, **event: Any) -> None:
        """Add a line; the parent sees it at once."""
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that are wanted and not done, those of a class in the order in which it is listed."""
        order = [base.__name__ for base in FormatConformance.__bases__]
        items.sort(key=lambda item: order.index(_home(item)))
        only, done = self.task["only"], set(self.task["done"])
        real = [item for item in items if not item.name.endswith(NOTHING)]
        chosen = [i for i in real if not only or any(matches(i.name, pattern) for pattern in only)]
        self.tell(event="collected", tests=[[item.name, _limit(item)] for item in chosen])
        items[:] = [] if self.task["list"] else [item for item in chosen if item.name not in done]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self.tell(event="start", test=nodeid.split("::", 2)[2])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A test that the user disabled ends here."""
        for pattern, reason in self.task["disable"].items():
            if matches(item.name, pattern):
                pytest.skip(DISABLED + reason)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """A phase of a test is over."""
        report: Any = yield
        ended = report.when == "call" or (report.when == "setup" and report.outcome != "passed")
        if ended or (report.when == "teardown" and report.outcome == "failed"):
            outcome, reason = _judged(report, call.excinfo)
            self.tell(event="end", test=item.name, outcome=outcome, reason=reason, seconds=call.duration)
        return report  # type: ignore[no-any-return]  # pytest's own object


def _home(item: pytest.Item) -> str:
    """The class that brings the test."""
    function = item.name.partition("[")[0]
    return next(base.__name__ for base in FormatConformance.__bases__ if hasattr(base, function))


def _limit(item: pytest.Item) -> float:
    return float(getattr(getattr(item, "function", None), "limit", LIMIT))


def _judged(report: pytest.TestReport, raised: pytest.ExceptionInfo[BaseException] | None) -> tuple[Outcome, str]:
    if report.outcome == "passed":
        return "pass", ""
    error = raised.value if raised else None
    if report.outcome == "skipped":
        reason = str(getattr(error, "msg", error))
        if reason.startswith(DECLARED):
            return "declared", reason.removeprefix(DECLARED)
        return "disabled", reason.removeprefix(DISABLED)
    if isinstance(error, Nonconformant):
        return "FAIL", str(error)
    text = short(f"{type(error).__name__}: {error}")
    return ("ERROR" if report.when != "call" or isinstance(error, CannotJudge) else "FAIL"), text


def main() -> int:
    """Run the tests that the task names; pytest's exit code."""
    task = json.loads(os.environ["HUB_CONFORMANCE"])
    journal = Journal(task, Path(task["journal"]))
    journal.tell(event="start", test=LOADING)
    found = registry()
    about = next((p for p in found.plugins if task["format"] in p.formats), None)
    if about is None:
        problems = [f"{p.plugin}: {p.message}" for p in found.problems]
        journal.tell(event="absent", installed=sorted(found.formats), problems=problems)
        return 0
    title = found.formats[task["format"]].title
    told = {"title": title, "plugin": about.name, "distribution": about.distribution, "version": about.version}
    journal.tell(event="about", **told)
    case = Path(__file__).with_name("case.py")
    with tempfile.TemporaryDirectory(dir=task["folder"]) as folder:
        settings = Path(folder) / "pytest.ini"
        settings.write_text(_SETTINGS)
        code = pytest.main(
            ["-c", str(settings), "--rootdir", str(case.parent), "--noconftest", "-p", "no:cacheprovider", "-q",
             "--import-mode=importlib", "--basetemp", str(Path(folder) / "tests"), "--tb=no", str(case)],
            plugins=[journal],
        )  # fmt: skip
    journal.tell(event="finished", code=int(code))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
