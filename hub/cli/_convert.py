"""`hub convert SRC DST`."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli._arguments import model_path
from hub.cli._groups import takes
from hub.cli._output import emit, say, table
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.interface import Options
    from hub.pipeline import Report, Request

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_SHOWN = 20


def nbytes(text: str | None, flag: str) -> int | None:
    """The number of bytes that "5GB", "512MiB" or "1000000" says; K, M, G, T are powers of 1000."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?", text.strip().upper())
    if match is None or match[2] not in _UNITS:
        raise UsageError(f"{flag} takes a size such as 5GB or 512MiB, not {text!r}")
    return int(float(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True)
class Wanted:
    """What the result is to be."""

    from_: Annotated[str | None, typer.Option("--from", help="Format of SRC, when its content does not tell.")] = None
    to: Annotated[str | None, typer.Option("--to", help="Format of DST, when its name does not tell.")] = None
    encode: Annotated[
        list[str] | None,
        typer.Option(
            "--encode",
            "--quantize",
            metavar="RECIPE|ENC[:PATTERN]",
            help="Re-encode matrices by a recipe such as q4_k_m, or those PATTERN names (repeatable).",
        ),
    ] = None
    imatrix: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Importance matrix (llama-imatrix) to encode under.")
    ] = None
    portable: Annotated[bool, typer.Option("--portable", help="Only encodings the format's own programs run.")] = False
    compression: Annotated[str | None, typer.Option(metavar="lz4|zstd", help="Pack the tensors.")] = None
    shard_size: Annotated[str | None, typer.Option(metavar="SIZE", help="Write shards of at most this size.")] = None
    place: Annotated[
        str | None, typer.Option("--target", metavar="wasm", help="Make DST such that it runs there: in a web page.")
    ] = None
    optimize_size: Annotated[
        bool, typer.Option("--optimize-size", help="With --target: wide matrices in the smallest sensible encodings.")
    ] = False
    pre: Annotated[str | None, typer.Option(metavar="NAME", help="Pre-tokenizer, when the source names none.")] = None
    assume: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="State a missing hyper-parameter (repeatable).")
    ] = None
    allow_unmapped: Annotated[
        bool, typer.Option("--allow-unmapped", help="Go on when tensors have no name in DST; each is listed.")
    ] = False

    def options(self, force: bool) -> Options:
        """What the format is told."""
        from hub.interface import Options

        size = nbytes(self.shard_size, "--shard-size")
        if size is not None and size < 1:
            raise UsageError("--shard-size must be at least one byte")
        return Options(
            shard_size=size,
            portable=self.portable,
            compression=self.compression,
            pre=self.pre,
            overwrite=force,
            target=self.place,
        )


@dataclass(frozen=True)
class Work:
    """How it is to be done."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing.")] = False
    verify: Annotated[bool, typer.Option(help="Read the result back and compare every value.")] = True
    codec: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who decodes and encodes; the fastest installed by default.")
    ] = None
    jobs: Annotated[int | None, typer.Option(min=1, help="Workers; the number of cores by default.")] = None
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="Bytes in flight; 64MiB by default.")] = None
    executor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who writes: thread (default), process, dask, ray, dask://HOST:PORT."),
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="Keep what is whole if it breaks; go on from it.")] = False
    force: Annotated[bool, typer.Option("--force", help="Replace what is at DST.")] = False

    def check_effect(self) -> None:
        """`UsageError` for what a dry run does not do."""
        flags = {
            "--no-verify": not self.verify, "--codec": self.codec, "--jobs": self.jobs, "--memory": self.memory,
            "--executor": self.executor, "--resume": self.resume, "--force": self.force,
        }  # fmt: skip
        given = [flag for flag, value in flags.items() if value]
        if self.dry_run and given:
            raise UsageError(f"{given[0]} has no effect with --dry-run: nothing is written")


@dataclass(frozen=True)
class Signed:
    """Whether the result is signed."""

    sign_key: Annotated[Path | None, typer.Option(metavar="KEY", help="Sign DST, and from what it was made.")] = None
    passphrase_file: Annotated[Path | None, typer.Option(metavar="F", help="File with the passphrase of KEY.")] = None
    sign_name: Annotated[str | None, typer.Option(metavar="ORG/MODEL", help="What a policy knows DST as.")] = None


@takes
def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A model: file, folder or name.", parser=model_path)],
    target: Annotated[Path, typer.Argument(metavar="DST", help="Where to write; its extension says the format.")],
    wanted: Wanted,
    work: Work,
    signed: Signed,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Convert a model into another format and verify every value."""
    from hub.cli._progress import progress_bar
    from hub.pipeline import Failed, Unfinished
    from hub.pipeline import convert as run

    work.check_effect()
    request = _request(source, target, wanted, work)
    with _recording(request, signed), progress_bar() as progress, _keeping(request):
        try:
            report = run(request, progress)
        except (Failed, Unfinished) as failure:
            report = failure.report
            print(f"hub: error: {failure}", file=sys.stderr)
    if json:
        emit("convert", report.document())
    else:
        _print(report)
    return report.exit_code


def _request(source: Path, target: Path, wanted: Wanted, work: Work) -> Request:
    from hub.pipeline import Request, default_budget

    return Request(
        source,
        target,
        from_=wanted.from_,
        to=wanted.to,
        encode=wanted.encode or (),
        assume=wanted.assume or (),
        imatrix=wanted.imatrix,
        codec=work.codec,
        allow_unmapped=wanted.allow_unmapped,
        check=work.verify,
        dry_run=work.dry_run,
        options=wanted.options(work.force),
        budget=default_budget(work.jobs, nbytes(work.memory, "--memory")),
        executor=work.executor,
        resume=work.resume,
        optimize_size=wanted.optimize_size,
    )


def _recording(request: Request, signed: Signed) -> AbstractContextManager[None]:
    """The block in which a conversion is recorded, to be signed with a key; a plain block without one."""
    if signed.sign_key is None:
        for flag, value in (("--passphrase-file", signed.passphrase_file), ("--sign-name", signed.sign_name)):
            if value is not None:
                raise UsageError(f"{flag} has no effect without --sign-key")
        return nullcontext()
    from hub.signing import PrivateKey
    from hub.signing.commands._passphrases import known_passphrase
    from hub.signing.provenance import recorded

    key = PrivateKey.load(signed.sign_key, known_passphrase(signed.passphrase_file))
    return recorded(request, key, signed.sign_name)


@contextmanager
def _keeping(request: Request) -> Iterator[None]:
    """When the block breaks off, say what is kept for `--resume`."""
    from hub.pipeline import resumable

    try:
        yield
    except BaseException:
        kept = resumable(request.target)
        if request.resume and kept.is_dir():
            print(f"hub: kept in {kept}: the same command goes on from it, rm -r '{kept}' removes it", file=sys.stderr)
        raise


def _print(report: Report) -> None:
    from rich.filesize import decimal

    source, target = report.source, report.target
    size = "not written" if target.nbytes is None else decimal(target.nbytes)
    say(f"{source.path} ({source.format}, {decimal(source.nbytes or 0)}) -> {target.path} ({target.format}, {size})")
    counts = ", ".join(f"{count} {outcome}" for outcome, count in report.counts.items())
    say(f"Tensors: {len(report.tensors)}: {counts}")
    if report.target_only:
        say(f"Added for {target.format}: {', '.join(report.target_only)}")
    say(f"Verified: {_verdict(report)}")
    _print_changes(report)
    fates = Counter(fact.fate for fact in report.facts)
    if fates:
        say("Metadata: " + ", ".join(f"{count} {fate}" for fate, count in fates.items()))
    for fact in report.facts:
        if fact.fate == "dropped":
            say(f"Dropped: {fact.key}" + (f" ({fact.detail})" if fact.detail else ""))
    for name in report.unmapped:
        say(f"Left out: {name}")
    for used in report.codecs:
        done = [f"{what} {', '.join(used[what])}" for what in ("decoded", "encoded") if used[what]]
        say(f"Codec {used['codec']}: {'; '.join(done)}")
    for note in report.notes:
        say(f"Note: {note}")
    if report.throughput is not None:
        say(f"Time: {report.seconds:.2f} s, {decimal(int(report.throughput))}/s of source, verification included")


def _verdict(report: Report) -> str:
    if not report.verified:
        return "nothing was written" if report.dry_run else "NO, nothing was verified"
    if report.failures:
        return "FAILED: " + "; ".join(report.failures[:5])
    changed = sum(line.outcome == "re-encoded" for line in report.tensors)
    rest = f"all but those of {changed} re-encoded tensors equal the source" if changed else "all equal the source"
    return f"yes, {report.values:,} values read back, {rest}"


def _print_changes(report: Report) -> None:
    """Tensors whose bytes are not simply kept, with the measured error where values changed."""
    lines = [t for t in report.tensors if t.outcome in {"re-encoded", "FAILED"} or (report.dry_run and t.reason)]
    rows: list[Sequence[object]] = [
        (t.name, f"{t.source_encoding} -> {t.target_encoding}", t.outcome, _figure(t.max_abs), _figure(t.rmse),
         _figure(t.cosine), t.reason)
        for t in lines[:_SHOWN]
    ]  # fmt: skip
    if rows:
        table(("tensor", "encoding", "outcome", "max_abs", "rmse", "cosine", "why"), rows, "   >>>")
    if len(lines) > _SHOWN:
        say(f"... and {len(lines) - _SHOWN} more; --json lists all")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
