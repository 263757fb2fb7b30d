"""`hub embed`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import emit
from hub.errors import UsageError
from hub_runtime.commands import options as o

if TYPE_CHECKING:
    from hub_runtime.engine import LoadedModel


@dataclass(frozen=True, slots=True)
class Embedded:
    """One text, its number of tokens, and its embedding."""

    text: str
    tokens: int
    embedding: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """The embeddings of some texts (hub.embed/1)."""

    model: Path
    format: str
    pooling: str
    normalized: bool
    dimensions: int
    embeddings: tuple[Embedded, ...]


@o.takes
def embed(
    model: o.ModelPath,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="What to embed.")] = None,
    *,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Embed every line of a file.")] = None,
    pooling: Annotated[
        str | None, typer.Option(metavar="mean|cls|last", help="How to make one vector of all; the model says.")
    ] = None,
    normalize: Annotated[bool, typer.Option("--normalize/--no-normalize", help="Scale to length 1.")] = True,
    compute: o.Compute,
    placed: o.Placed,
    as_json: o.Json = False,
) -> None:
    """Print the embedding of each text, one line of numbers a text."""
    if bool(texts) == (file is not None):
        raise UsageError("give texts, or a --file of them")
    if pooling not in (None, "mean", "cls", "last"):
        raise UsageError(f"--pooling is mean, cls or last, not {pooling!r}")
    lines = list(texts or ()) if file is None else o.read_text(file, "--file").splitlines()
    if not lines:
        raise UsageError("no texts", file=file)
    with o.loading(placed.wanted(model), quiet=as_json) as loaded:
        used, found = _embedded(loaded.model, lines, pooling, normalize, compute)
    if as_json:
        emit("embed", EmbedReport(model, loaded.format, used, normalize, len(found[0].embedding), found))
        return
    for one in found:
        print(*(f"{value:.7g}" for value in one.embedding))


def _embedded(
    model: LoadedModel, lines: list[str], pooling: str | None, normalize: bool, compute: o.Compute
) -> tuple[str, tuple[Embedded, ...]]:
    """How it was pooled, and the embeddings of `lines`."""
    from hub_runtime.engine import embed as vectors

    prompts = [model.vocab.tokenize(line) for line in lines]
    size = compute.ctx or min(model.n_ctx_train, max(len(p) for p in prompts))
    with model.context(size, threads=compute.threads, batch=size, embeddings=True, pooling=pooling) as context:
        made = [tuple(map(float, v)) for v in vectors(context, prompts, normalize=normalize)]
        rows = zip(lines, prompts, made, strict=True)
        return context.pooling, tuple(Embedded(line, len(prompt), vector) for line, prompt, vector in rows)
