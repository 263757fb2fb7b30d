"""Printing what a model says."""

from __future__ import annotations

import sys

from hub_runtime.answering import BatchReport, RunReport, Timing


class Printer:
    """Writes a model's text as it comes; on a terminal, control characters in it are shown and not obeyed."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._last = "\n"

    def write(self, text: str) -> None:
        """Print `text` now."""
        if text:
            sys.stdout.write(shown(text) if self._terminal else text)
            sys.stdout.flush()
            self._last = text[-1]

    def end(self) -> None:
        """End the line, if it has not ended."""
        if self._last != "\n":
            self.write("\n")


def shown(text: str) -> str:
    """`text` with control characters but newline and tab escaped."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def summary(report: RunReport, timing: Timing) -> str:
    """One line about a run."""
    return (
        f"{report.prompt_tokens} + {report.generated_tokens} tokens ({report.finish}), {_given(report.template)}, "
        f"{_rate(timing.tokens_per_second)}, first token after {_ms(timing.time_to_first_token)}, "
        f"loaded in {_ms(timing.load_seconds)}, seed {report.seed}"
    )


def batch_summary(report: BatchReport) -> str:
    """One line about a batch."""
    timing, at_once = report.timing, report.setup.sequences
    return (
        f"{len(report.answers)} answers, {_given(report.template)}, {report.generated_tokens} tokens "
        f"in {timing.seconds:.1f} s, {_rate(timing.tokens_per_second)} over {at_once} at once, "
        f"loaded in {_ms(timing.load_seconds)}"
    )


def _given(template: bool) -> str:
    return "prompt in the chat template" if template else "prompt as it stands"


def _rate(value: float | None) -> str:
    return "- tokens/s" if value is None else f"{value:.1f} tokens/s"


def _ms(seconds: float | None) -> str:
    return "- ms" if seconds is None else f"{seconds * 1000:.0f} ms"
