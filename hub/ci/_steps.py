"""What is done with a model before a commit, on every push, and for a release: one table of commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

HOOK, TEST, RELEASE = "hook", "test", "release"
Signs: TypeAlias = Literal["ci", "here"]


@dataclass(frozen=True)
class Setup:
    """What the steps are about; paths are relative to the repository, with `/`.

    `repo` is where releases go on the Hugging Face Hub, `key` the public key, `data` the manifest or folder of the
    training data; None leaves out the steps that need it. `signs` says who signs: the workflow, or whoever commits.
    """

    model: str
    folder: bool
    repo: str | None = None
    key: str | None = None
    data: str | None = None
    signs: Signs = "ci"
    branch: str = "main"
    install: str = "hub-core hub-gguf hub-safetensors hub-apr hub-sources hub-data"


@dataclass(frozen=True, slots=True)
class Step:
    """A command and where it is run. `needs` are fields of the setup that must be there, `signs` who must be signing.

    `secrets` reach it as variables of the environment. `always` runs after a failure too.
    """

    id: str
    title: str
    run: str
    places: tuple[str, ...]
    needs: tuple[str, ...] = ()
    signs: Signs | None = None
    secrets: tuple[str, ...] = ()
    always: bool = False
    folder: bool = False


_KEY = '"$RUNNER_TEMP/signing.pem"'
_TABLE = (
    Step("check", "Check the model in ten stages", "hub check {model}", (HOOK, TEST)),
    Step("validate", "Validate every value", "hub validate {model}", (HOOK, TEST)),
    Step("data", "Verify the training data", "hub data verify {data} --key {key}", (HOOK, TEST), ("data", "key")),
    Step("signed", "Verify the signature", "hub verify {model} --key {key}", (HOOK, TEST), ("key",), "here"),
    Step("plan", "Show what would be published", "hub publish {model} {repo} --dry-run", (TEST,), ("repo",)),
    Step(
        "card", "Write a model card where there is none",
        "test -e {model}/README.md || hub publish {model} {repo} --dry-run --save-card {model}/README.md",
        (RELEASE,), ("repo", "key"), "ci", folder=True,
    ),
    Step(
        "take", "Take the signing key", f'umask 077 && printf "%s\\n" "$HUB_SIGNING_KEY" > {_KEY}',
        (RELEASE,), ("key",), "ci", ("HUB_SIGNING_KEY",),
    ),
    Step(
        "sign", "Sign the model", f"hub sign {{model}} --key {_KEY} {{name}} {{made}} --force",
        (RELEASE,), ("key",), "ci", ("HUB_KEY_PASSPHRASE",),
    ),
    Step("forget", "Forget the signing key", f"rm -f {_KEY}", (RELEASE,), ("key",), "ci", always=True),
    Step("verify", "Verify the signature", "hub verify {model} --key {key}", (RELEASE,), ("key",)),
    Step(
        "publish", "Publish the model", 'hub publish {model} {repo} --message "Built from $GITHUB_SHA"',
        (RELEASE,), ("repo",), secrets=("HF_TOKEN",),
    ),
)  # fmt: skip


def steps(setup: Setup, place: str | None = None) -> list[Step]:
    """The steps of `place`, or all, for this repository, with their commands complete and quoted for a shell."""
    words = {
        "model": _quoted(setup.model),
        "repo": _quoted(setup.repo),
        "key": _quoted(setup.key),
        "data": _quoted(setup.data),
        "name": f"--name {_quoted(setup.repo)}" if setup.repo else "",
        "made": f"--data {_quoted(setup.data)}" if setup.data else "",
    }
    wanted = (one for one in _TABLE if place is None or place in one.places)
    return [_filled(one, words) for one in wanted if _fits(one, setup)]


def secrets(some: Iterable[Step]) -> list[str]:
    """The secrets that the steps take."""
    return list(dict.fromkeys(name for one in some for name in one.secrets))


def _fits(step: Step, setup: Setup) -> bool:
    there = all(getattr(setup, need) is not None for need in step.needs)
    return there and step.signs in {None, setup.signs} and (setup.folder or not step.folder)


def _filled(step: Step, words: dict[str, str]) -> Step:
    run = " ".join(step.run.format(**words).split())
    return Step(step.id, step.title, run, step.places, step.needs, step.signs, step.secrets, step.always, step.folder)


def _quoted(text: str | None) -> str:
    return shlex.quote(text or "")
