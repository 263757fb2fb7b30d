"""Options that several commands share, and what they mean together."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hub.cli import Json, ModelPath, progress_bar
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub_runtime.engine import Adapter, Settings
    from hub_runtime.loading import Loaded, Wanted

__all__ = [
    "Assume", "Bridge", "Ctx", "Gpu", "GpuLayers", "Grammar", "Json", "JsonSchema", "Lora", "MaxTokens", "MinP",
    "ModelPath", "Pre", "Quiet", "Raw", "RepeatPenalty", "Seed", "Stop", "Temperature", "Threads", "TopK", "TopP",
    "loading", "read_text", "sampling", "tell", "wanted",
]  # fmt: skip

Threads: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Threads to compute with; one fewer than the cores by default.")
]
Ctx: TypeAlias = Annotated[int | None, typer.Option("--ctx", "--context-length", min=1, help="Positions to hold.")]
Gpu: TypeAlias = Annotated[
    bool | None, typer.Option("--gpu/--no-gpu", help="Whether to use a GPU; by default when there is one.")
]
GpuLayers: TypeAlias = Annotated[int | None, typer.Option(min=0, help="How many layers to put on the GPU.")]
Lora: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="FILE[=SCALE]", help="Apply a LoRA adapter in GGUF (repeatable).")
]
Bridge: TypeAlias = Annotated[
    str, typer.Option(metavar="cache|memory", help="Where the GGUF made of another format goes.")
]
Assume: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="State a missing hyper-parameter (repeatable).")
]
Pre: TypeAlias = Annotated[str | None, typer.Option(metavar="NAME", help="Pre-tokenizer, when the source names none.")]
MaxTokens: TypeAlias = Annotated[int, typer.Option("--max-tokens", "-n", min=1, help="Tokens to generate at most.")]
Temperature: TypeAlias = Annotated[float, typer.Option(help="0 takes the likeliest token; more is more varied.")]
TopK: TypeAlias = Annotated[int | None, typer.Option(min=0, help="Draw among the K likeliest; 40 is usual, 0 is all.")]
TopP: TypeAlias = Annotated[float | None, typer.Option(help="Draw among the likeliest that sum to P; 0.95 is usual.")]
MinP: TypeAlias = Annotated[
    float | None, typer.Option(help="Leave out what is less likely than this share of the likeliest; 0.05 by default.")
]
Seed: TypeAlias = Annotated[int | None, typer.Option(help="Repeat a draw; by default each run draws anew.")]
RepeatPenalty: TypeAlias = Annotated[float, typer.Option(help="Weaken tokens among the last 64; 1 does not.")]
Stop: TypeAlias = Annotated[list[str] | None, typer.Option(help="Stop before this text (repeatable).")]
Grammar: TypeAlias = Annotated[
    str | None, typer.Option(metavar="FILE", help="Keep to a GBNF grammar whose first rule is root.")
]
JsonSchema: TypeAlias = Annotated[
    str | None, typer.Option(metavar="FILE", help="Answer with JSON that fits a schema; a file, or the schema itself.")
]
Raw: TypeAlias = Annotated[
    bool, typer.Option("--raw", help="Give the model the text as it stands, without its chat template.")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print the text alone.")]


def wanted(
    model: Path, gpu: bool | None, gpu_layers: int | None, lora: Sequence[str] | None, bridge: str,
    assume: Sequence[str] | None, pre: str | None,
) -> Wanted:  # fmt: skip
    """What to load, of the options as given. `UsageError` when they contradict each other."""
    from hub_runtime.loading import Wanted

    if bridge not in ("cache", "memory"):
        raise UsageError(f"--bridge is cache or memory, not {bridge!r}")
    if gpu is False and gpu_layers:
        raise UsageError(f"--gpu-layers {gpu_layers} contradicts --no-gpu")
    if gpu is True and gpu_layers == 0:
        raise UsageError("--gpu-layers 0 contradicts --gpu")
    layers = gpu_layers if gpu_layers is not None else {None: None, True: -1, False: 0}[gpu]
    adapters = [_adapter(text) for text in lora or ()]
    return Wanted(model, layers, adapters, "memory" if bridge == "memory" else "cache", assume or (), pre)


def _adapter(text: str) -> Adapter:
    from hub_runtime.engine import Adapter

    path, equals, scale = text.rpartition("=")
    try:
        return Adapter(Path(path), float(scale)) if equals else Adapter(Path(text))
    except ValueError:
        return Adapter(Path(text))


def sampling(
    temperature: float, top_k: int | None, top_p: float | None, min_p: float | None, seed: int | None,
    repeat_penalty: float, grammar: str | None = None, json_schema: str | None = None,
) -> Settings:  # fmt: skip
    """How tokens are chosen, of the options as given.

    `UsageError` for one that has no effect. A seed has none at temperature 0 either, but it promises what holds there
    anyhow: the same text again.
    """
    from hub_runtime.engine import Settings

    given = {"top_k": top_k, "top_p": top_p, "min_p": min_p}
    cuts = {name: value for name, value in given.items() if value is not None}
    if temperature == 0 and cuts:
        flag = next(iter(cuts)).replace("_", "-")
        raise UsageError(f"--{flag} has no effect at temperature 0", hint="add --temperature")
    return Settings(
        temperature=temperature,
        seed=seed,
        repeat_penalty=repeat_penalty,
        grammar=None if grammar is None else read_text(grammar, "--grammar"),
        json_schema=None if json_schema is None else _schema(json_schema),
        **cuts,  # type: ignore[arg-type]  # each has the type of its field
    )


def _schema(text: str) -> str:
    return text if text.lstrip().startswith("{") else read_text(text, "--json-schema")


def read_text(path: str | Path, flag: str) -> str:
    """The text of the file that `flag` names; `UsageError` when it is not UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{flag}: not UTF-8 at byte {error.start}", file=path) from error


def tell(line: str) -> None:
    """Say something that is not the answer, on standard error."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def loading(want: Wanted, *, quiet: bool = False) -> Iterator[Loaded]:
    """The model in memory for the block, with a progress bar while it is converted."""
    from hub_runtime.loading import load_any

    with progress_bar() as progress:
        loaded = load_any(want, None if quiet else progress)
    with loaded:
        if loaded.converted and not quiet:
            tell(f"{want.path}: {loaded.format} made into GGUF for llama.cpp in {loaded.bridge_seconds:.1f} s")
        yield loaded
