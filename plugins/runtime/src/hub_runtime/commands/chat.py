"""`hub chat`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from hub_runtime.commands import options as o

if TYPE_CHECKING:
    from hub_runtime.engine import LoadedModel

_CTX = 4096


@dataclass(frozen=True)
class _Lively(o.Sampling):
    """A dialogue is drawn unless it is said otherwise."""

    temperature: o.Temperature = 0.7


@o.takes
def chat(
    model: o.ModelPath,
    *,
    system: o.System = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", "--n-predict", "--predict", "-n", min=1, help="Longest answer, tokens."),
    ] = None,
    stop: o.Stop = None,
    sampling: _Lively,
    compute: o.Compute,
    weights: o.Weights,
    quiet: o.Quiet = False,
) -> None:
    """Talk with a model; /help lists what else can be said."""
    settings = sampling.settings()
    with o.loading(weights.wanted(model), quiet=quiet) as loaded:
        from hub_runtime.commands.repl import Repl
        from hub_runtime.conversation import Conversation
        from hub_runtime.engine import Slots

        _greet(loaded.model, quiet)
        size = compute.ctx or min(_CTX, loaded.model.n_ctx_train)
        with loaded.model.context(size, threads=compute.threads) as context:
            talk = Conversation(loaded.model, Slots(context, reuse=True), settings, max_tokens, tuple(stop or ()))
            talk.system = system
            Repl(talk, _reader()).run()


def _greet(model: LoadedModel, quiet: bool) -> None:
    if model.template is None:
        o.tell("the model has no chat template: it gets the conversation as lines of plain text")
    if not quiet:
        o.tell(f"{model.description}; /help lists the commands, Ctrl-C stops an answer, /quit ends")


def _reader() -> Callable[[str], str]:
    """Reads a line: with editing and history on a terminal, bare and without a prompt elsewhere."""
    if sys.stdin.isatty():
        import readline  # noqa: F401  # input() edits lines once it is imported

        return input
    return lambda _: _line()


def _line() -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.removesuffix("\n")
