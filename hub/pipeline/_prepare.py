"""Everything that a conversion decides before a byte is written.

It follows from the request alone, so another process that is given the request decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from hub import __version__
from hub.errors import HubError, PluginError, UnmappedTensor, UsageError
from hub.interface import Format, Options, Plan
from hub.ir import PRE_TOKENIZERS, Lazy, Model, Tokenizer
from hub.opening import open_model
from hub.pipeline._copy import Budget, default_budget
from hub.pipeline._encode import Rule, check_effect, encoded
from hub.pipeline._facts import check_facts
from hub.plugins import extension, registry
from hub.recipes import read_importance
from hub.targets import named

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What the user asked for. `encode` holds texts as `--encode` takes them, `assume` as `--assume` does.

    `source` is a path, or a model that is in memory already: `from_` and `assume` are for paths alone. `executor` names
    who writes the tensors ("process", "dask://HOST:PORT"; threads of this process without it). With `resume` what is
    whole is kept when the conversion breaks, and the next one with `resume` goes on from there. `optimize_size` is for
    an `options.target`: what is wide gets the smallest encodings that are sensible there.
    """

    source: Path | Model
    target: Path
    from_: str | None = None
    to: str | None = None
    encode: Sequence[str] = ()
    assume: Sequence[str] = ()
    imatrix: Path | None = None
    codec: str | None = None
    allow_unmapped: bool = False
    check: bool = True
    dry_run: bool = False
    options: Options = field(default_factory=Options)
    budget: Budget = field(default_factory=default_budget)
    executor: str | None = None
    resume: bool = False
    optimize_size: bool = False

    @property
    def path(self) -> Path | None:
        """Where the source is read from; None for a model in memory that came from nowhere."""
        return self.source.path if isinstance(self.source, Model) else self.source


@dataclass(frozen=True)
class Prepared:
    """A conversion to the format `target`, decided: the `model` as told, the `plan`, and what is to be said of it.

    `source` is the format it is read with, None for a model in memory; `reasons` say, by canonical name, why a tensor
    is re-encoded.
    """

    source: Format | None
    target: Format
    model: Model
    plan: Plan
    options: Options
    reasons: dict[str, str]
    notes: Sequence[str]

    @property
    def fingerprint(self) -> str:
        """Equal for plans that write equal tensors: a digest of their names, encodings, shapes and changes."""
        lines = [(p.tensor.name, p.tensor.encoding.name, p.tensor.shape, str(p.change)) for p in self.plan.tensors]
        return sha256(repr((__version__, self.plan.format, lines)).encode()).hexdigest()


def prepare(request: Request, target: Format) -> Prepared:
    """Open the source and plan what writing it as `target` does; `HubError` when that cannot be."""
    source, opened = _opened(request)
    model = _told(opened, request.options.pre)
    if source is not target:
        check_facts(model)
    rules = _rules(request)
    importance = None if request.imatrix is None else read_importance(request.imatrix)
    wanted, reasons, said = encoded(model, rules, importance)
    options = replace(request.options, recipe=next((r.name for r in reversed(rules) if r.recipe), None))
    plan = guarded(target, lambda: target.plan(wanted, options), request.path)
    check_effect(rules, model, wanted, plan)
    _check_mapped(plan, model, source, request)
    return Prepared(source, target, model, plan, options, reasons, said)


def _rules(request: Request) -> list[Rule]:
    """The rules that the request states; `UsageError` for an `--optimize-size` that says nothing, or another thing."""
    if not request.optimize_size:
        return [Rule.parse(text) for text in request.encode]
    if request.options.target is None:
        raise UsageError("--optimize-size has no effect without --target: it takes the encodings that are best there")
    if request.encode:
        raise UsageError("--optimize-size and --encode both say the encodings", hint="give one of them")
    return [Rule.smallest(named(request.options.target))]


def _opened(request: Request) -> tuple[Format | None, Model]:
    """The model to convert, and the format it is read with; None for one in memory."""
    if isinstance(request.source, Path):
        return open_model(request.source, request.from_, request.assume, use="convert")
    if request.from_ or request.assume:
        raise UsageError("from_ and assume have no effect on a model in memory")
    return None, request.source


def _told(model: Model, pre: str | None) -> Model:
    """`model` with the pre-tokenizer that the user names, so that the result is held to that name as well."""
    if pre is None:
        return model

    def renamed() -> Tokenizer | None:
        tokenizer = model.tokenizer.get()
        return tokenizer and replace(tokenizer, pre=pre)

    return replace(model, tokenizer=Lazy(renamed))


def choose_format(path: Path, to: str | None) -> Format:
    """The format to write: `to`, or what the extension says; `UsageError` when the two contradict."""
    by_name = registry().named(to) if to else None
    by_path = registry().by_extension(path)
    suffix = extension(path)
    if by_name is None and path.is_dir():
        misnamed = next((f for f in registry().formats.values() if path.suffix.lower() in f.extensions), None)
        if misnamed is not None:
            where = f"is a folder, and named as a {misnamed.title or misnamed.name} file"
            raise UsageError(where, file=path, hint="say with --to what to write into it")
    if by_name is None and by_path is None:
        raise UsageError(f"{suffix or 'a folder'} is no installed format's", file=path, hint="say which with --to")
    if by_name and suffix and by_path is not by_name and (by_path or by_name.extensions):
        wanted = " or ".join(by_name.extensions)
        raise UsageError(f"--to {by_name.name} writes {wanted}, not {suffix}", file=path)
    chosen = by_name or by_path
    if chosen is None or not chosen.capabilities.writes:
        raise UsageError(f"{chosen.name if chosen else to} can be read, not written", file=path)
    return chosen


def check_options(target: Format, options: Options) -> None:
    """A flag that would have no effect is an error."""
    flags = {
        "shard_size": ("--shard-size", options.shard_size is not None),
        "portable": ("--portable", options.portable),
        "compression": ("--compression", options.compression is not None),
        "pre": ("--pre", options.pre is not None),
        "target": ("--target", options.target is not None),
    }
    if options.target is not None:
        named(options.target)
    for name, (flag, given) in flags.items():
        if given and name not in target.supports:
            raise UsageError(f"{flag} has no effect on {target.name}")
    if options.pre is not None and options.pre not in PRE_TOKENIZERS:
        near = get_close_matches(options.pre, PRE_TOKENIZERS, 5, 0.3) or sorted(PRE_TOKENIZERS)
        raise UsageError(f"--pre: llama.cpp knows no pre-tokenizer {options.pre!r}", hint=f"near: {', '.join(near)}")


def _check_mapped(plan: Plan, model: Model, source: Format | None, request: Request) -> None:
    """Every tensor has a place in the target, and a name that says what it is; or the user allows that it has not."""
    foreign = model.unnamed if source is None or source.name != plan.format else ()
    odd = [*plan.unmapped, *(name for name in foreign if name not in plan.unmapped)]
    if odd and not request.allow_unmapped:
        shown = ", ".join(odd[:3]) + (" ..." if len(odd) > 3 else "")
        raise UnmappedTensor(
            f"{len(odd)} of {len(model.tensors)} tensors have no place in {plan.format}: {shown}",
            file=request.path,
            hint="--allow-unmapped goes on without a name for them",
        )
    if request.allow_unmapped and not odd:
        raise UsageError("--allow-unmapped has no effect: every tensor is mapped")


def guarded(fmt: Format, work: Callable[[], T], file: Path | None = None) -> T:
    """Run a plugin's code; its errors carry its name, and `file` where they name none."""
    try:
        return work()
    except HubError as error:
        error.plugin = error.plugin or fmt.name
        error.file = error.file or (str(file) if file else None)
        raise
    except OSError as error:
        where = error.filename or file
        raise HubError(f"writing failed: {error.strerror or error}", file=where, plugin=fmt.name) from error
    except Exception as error:  # whatever a stranger's plugin raises becomes one line that names it
        raise PluginError(f"raised {error!r}", file=file, plugin=fmt.name) from error
