"""Options that several commands share, with all their spellings, and what they mean together.

The spellings are ours, llama.cpp's and those of `apr`. A group of options is a dataclass; a command that `takes` groups
has them as parameters, and typer sees their fields as options of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hub.cli import Json, ModelPath, progress_bar, takes
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub_runtime.bridge import Way
    from hub_runtime.engine import Adapter, Settings
    from hub_runtime.loading import Loaded, Wanted

__all__ = [
    "Assume", "Bridge", "Compute", "Ctx", "Gpu", "GpuLayers", "Json", "Lora", "MaxTokens", "Mmap", "ModelPath",
    "Placed", "Pre", "Prompt", "Quiet", "Raw", "Sampling", "Stop", "System", "Threads", "Weights", "loading",
    "read_text", "takes", "tell",
]  # fmt: skip

Threads: TypeAlias = Annotated[
    int | None,
    typer.Option("--threads", "-t", min=1, help="Threads to compute with; one fewer than the cores by default."),
]
Ctx: TypeAlias = Annotated[
    int | None, typer.Option("--ctx", "--ctx-size", "--context-length", "-c", min=1, help="Positions to hold.")
]
Gpu: TypeAlias = Annotated[
    bool | None, typer.Option("--gpu/--no-gpu", " /--cpu", help="Whether to use a GPU; by default when there is one.")
]


def _layers(text: str) -> int | None:
    """A number of layers, or one of llama.cpp's words for it."""
    words = {"all": -1, "auto": None}
    if text in words:
        return words[text]
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--gpu-layers is a number, all or auto, not {text!r}")
    return int(text)


GpuLayers: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--gpu-layers", "--n-gpu-layers", "-ngl", metavar="N|all|auto", parser=_layers,
        help="How many layers to put on the GPU.",
    ),
]  # fmt: skip
Mmap: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--mmap/--no-mmap",
        help="Weights stay in the file, or are copied to memory in huge pages: slower to start, faster to compute.",
    ),
]
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
Prompt: TypeAlias = Annotated[
    str | None, typer.Option("--prompt", "-p", help="What to continue; a fixed sentence by default.")
]
System: TypeAlias = Annotated[
    str | None, typer.Option("--system", "--system-prompt", "-sys", help="The system message, for the chat template.")
]
MaxTokens: TypeAlias = Annotated[
    int,
    typer.Option(
        "--max-tokens", "--n-predict", "--predict", "--tokens", "-n", min=1, help="Tokens to generate at most."
    ),
]
Temperature: TypeAlias = Annotated[
    float, typer.Option("--temperature", "--temp", help="0 takes the likeliest token; more is more varied.")
]
TopK: TypeAlias = Annotated[int | None, typer.Option(min=0, help="Draw among the K likeliest; 40 is usual, 0 is all.")]
TopP: TypeAlias = Annotated[float | None, typer.Option(help="Draw among the likeliest that sum to P; 0.95 is usual.")]
MinP: TypeAlias = Annotated[
    float | None, typer.Option(help="Leave out what is less likely than this share of the likeliest; 0.05 by default.")
]
Seed: TypeAlias = Annotated[
    int | None, typer.Option("--seed", "-s", help="Repeat a draw; by default each run draws anew.")
]
RepeatPenalty: TypeAlias = Annotated[float, typer.Option(help="Weaken tokens that came up lately; 1 does not.")]
RepeatLastN: TypeAlias = Annotated[
    int | None, typer.Option(min=0, help="How many tokens --repeat-penalty looks back on; 64 by default.")
]
Stop: TypeAlias = Annotated[
    list[str] | None, typer.Option("--stop", "--reverse-prompt", "-r", help="Stop before this text (repeatable).")
]
Grammar: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--grammar", "--grammar-file", metavar="FILE",
        help="Keep to a GBNF grammar whose first rule is root; a file, or the grammar itself.",
    ),
]  # fmt: skip
JsonSchema: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--json-schema", "--json-schema-file", "-j", metavar="FILE",
        help="Answer with JSON that fits a schema; a file, or the schema itself.",
    ),
]  # fmt: skip
Raw: TypeAlias = Annotated[
    bool, typer.Option("--raw", help="Give the model the text as it stands, without its chat template.")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print the text alone.")]


@dataclass(frozen=True, slots=True)
class Compute:
    """How to compute."""

    threads: Threads = None
    ctx: Ctx = None


@dataclass(frozen=True)
class Placed:
    """Where the weights go, and what the source does not say."""

    gpu: Gpu = None
    gpu_layers: GpuLayers = None
    mmap: Mmap = None
    bridge: Bridge = "cache"
    assume: Assume = None
    pre: Pre = None

    def wanted(self, model: Path) -> Wanted:
        """What to load. `UsageError` when the options contradict each other."""
        from hub_runtime.loading import Wanted, layers

        if self.bridge not in ("cache", "memory"):
            raise UsageError(f"--bridge is cache or memory, not {self.bridge!r}")
        way: Way = "memory" if self.bridge == "memory" else "cache"
        count = layers(self.gpu, self.gpu_layers)
        return Wanted(model, count, self._adapters(), way, self.assume or (), self.pre, self.mmap is not False)

    def _adapters(self) -> Sequence[Adapter]:
        return ()


@dataclass(frozen=True)
class Weights(Placed):
    """The same, with adapters."""

    lora: Lora = None

    def _adapters(self) -> Sequence[Adapter]:
        from hub_runtime.engine import Adapter

        return [Adapter.parse(text) for text in self.lora or ()]


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen."""

    temperature: Temperature = 0.0
    top_k: TopK = None
    top_p: TopP = None
    min_p: MinP = None
    seed: Seed = None
    repeat_penalty: RepeatPenalty = 1.0
    repeat_last_n: RepeatLastN = None
    grammar: Grammar = None
    json_schema: JsonSchema = None

    def settings(self) -> Settings:
        """The engine's settings. `UsageError` for an option that has no effect.

        A seed has none at temperature 0 either, but it promises what holds there anyhow: the same text again.
        """
        from hub_runtime.engine import Settings

        given = {"top_k": self.top_k, "top_p": self.top_p, "min_p": self.min_p}
        cuts = {name: value for name, value in given.items() if value is not None}
        if self.temperature == 0 and cuts:
            flag = next(iter(cuts)).replace("_", "-")
            raise UsageError(f"--{flag} has no effect at temperature 0", hint="add --temperature")
        if self.repeat_last_n is not None:
            if self.repeat_penalty == 1:
                raise UsageError("--repeat-last-n has no effect without --repeat-penalty")
            cuts["repeat_last_n"] = self.repeat_last_n
        return Settings(
            temperature=self.temperature,
            seed=self.seed,
            repeat_penalty=self.repeat_penalty,
            grammar=_text_or_file(self.grammar, "--grammar", "::=" in (self.grammar or "")),
            json_schema=_text_or_file(self.json_schema, "--json-schema", (self.json_schema or "").lstrip()[:1] == "{"),
            **cuts,  # type: ignore[arg-type]  # each has the type of its field
        )


def _text_or_file(given: str | None, flag: str, is_text: bool) -> str | None:
    """The text that `flag` was given, itself or as a file."""
    return given if given is None or is_text else read_text(given, flag)


def read_text(path: str | Path, flag: str) -> str:
    """The text of the file that `flag` names; `UsageError` when it cannot be read, or is not UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{flag}: {error.strerror}", file=path) from error
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
