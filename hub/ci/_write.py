"""The two files: a workflow of GitHub Actions, and a configuration of pre-commit (https://pre-commit.com)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from hub.ci._steps import HOOK, RELEASE, TEST, Setup, Step, steps
from hub.errors import TargetExists, UsageError
from hub.pipeline import write_whole

WORKFLOW = ".github/workflows/model.yml"
HOOKS = ".pre-commit-config.yaml"
# Neither a shell, nor YAML, nor the expressions of GitHub read anything into these.
_PLAIN = re.compile(r"[\w.@+-][\w./ @+-]*")


@dataclass(frozen=True, slots=True)
class Written:
    """The files that were written, and the steps that they run."""

    files: tuple[Path, ...]
    steps: tuple[Step, ...]


def write(setup: Setup, root: Path, *, overwrite: bool = False) -> Written:
    """Write both files below `root`; `TargetExists` when one is there and is not to be replaced: then none is."""
    _check(setup)
    texts = {WORKFLOW: workflow(setup), HOOKS: hooks(setup)}
    for name in texts:
        file = root / name
        if (file.exists() or file.is_symlink()) and not overwrite:
            raise TargetExists("exists already", file=file, hint="--force replaces it")
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(root / name, text.encode())
    return Written(tuple(root / name for name in texts), tuple(steps(setup)))


def _check(setup: Setup) -> None:
    for what in ("model", "repo", "key", "data", "branch", "install"):
        value = getattr(setup, what)
        odd = value is not None and not (_PLAIN.fullmatch(value) or (what == "install" and _installs(value)))
        if odd or (value is not None and what != "install" and ".." in value.split("/")):
            raise UsageError(f"the {what} {value!r} has characters that a workflow may read something into")


def _installs(text: str) -> bool:
    """True for arguments of pip: packages, versions, -r and -e."""
    return re.fullmatch(r"[\w./ @+=<>~!,\[\]:-]+", text) is not None


def workflow(setup: Setup) -> str:
    """The workflow: every push and pull request is tested, and the branch released where that does anything."""
    release = steps(setup, RELEASE)
    return _template("workflow.yml").substitute(
        test="\n".join(_step(one) for one in steps(setup, TEST)),
        install=setup.install,
        release=_template("release.yml").substitute(
            branch=setup.branch, install=setup.install, release="\n".join(_step(one) for one in release)
        )
        if any(one.id in {"sign", "publish"} for one in release)
        else "",
    )


def hooks(setup: Setup) -> str:
    """The hooks: each is run when a commit touches what it is about."""
    return _template("hooks.yaml").substitute(hooks="\n".join(_hook(one, setup) for one in steps(setup, HOOK)))


def _template(name: str) -> Template:
    return Template((files("hub.ci") / "templates" / name).read_text("utf-8"))


def _step(step: Step) -> str:
    lines = [f"      - name: {step.title}"]
    lines += ["        if: always()"] if step.always else []
    lines += ["        env:"] if step.secrets else []
    lines += [f"          {name}: ${{{{ secrets.{name} }}}}" for name in step.secrets]
    return "\n".join([*lines, "        run: |", f"          {step.run}"])


def _hook(step: Step, setup: Setup) -> str:
    about = {"data": [setup.data, setup.key], "signed": [setup.model, setup.key]}.get(step.id, [setup.model])
    return "\n".join(
        [
            f"      - id: hub-{step.id}",
            f"        name: {step.title}",
            f"        entry: {json.dumps(step.run)}",
            "        language: system",
            "        pass_filenames: false",
            f"        files: {json.dumps('|'.join(_patterns(about)))}",
        ]
    )


def _patterns(paths: list[str | None]) -> Iterator[str]:
    """For each path a pattern of what lies there, and of its signature."""
    for path in filter(None, paths):
        yield rf"^{re.escape(path)}(/|\.sig$|$)"
