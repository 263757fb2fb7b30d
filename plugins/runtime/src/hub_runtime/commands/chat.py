"""`hub chat`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from hub_runtime.commands import options as o

if TYPE_CHECKING:
    from hub_runtime.engine import LoadedModel

_CTX = 4096


def chat(
    model: o.ModelPath,
    system: Annotated[str | None, typer.Option(help="The system message.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", "-n", min=1, help="Longest answer, tokens.")] = None,
    temperature: o.Temperature = 0.7,
    top_k: o.TopK = None,
    top_p: o.TopP = None,
    min_p: o.MinP = None,
    seed: o.Seed = None,
    repeat_penalty: o.RepeatPenalty = 1.0,
    stop: o.Stop = None,
    grammar: o.Grammar = None,
    json_schema: o.JsonSchema = None,
    threads: o.Threads = None,
    ctx: o.Ctx = None,
    gpu: o.Gpu = None,
    gpu_layers: o.GpuLayers = None,
    lora: o.Lora = None,
    bridge: o.Bridge = "cache",
    assume: o.Assume = None,
    pre: o.Pre = None,
    quiet: o.Quiet = False,
) -> None:
    """Talk with a model; /help lists what else can be said."""
    settings = o.sampling(temperature, top_k, top_p, min_p, seed, repeat_penalty, grammar, json_schema)
    want = o.wanted(model, gpu, gpu_layers, lora, bridge, assume, pre)
    with o.loading(want, quiet=quiet) as loaded:
        from hub_runtime.conversation import Conversation
        from hub_runtime.engine import Slots
        from hub_runtime.repl import Repl

        _greet(loaded.model, quiet)
        size = ctx or min(_CTX, loaded.model.n_ctx_train)
        with loaded.model.context(size, threads=threads) as context:
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
