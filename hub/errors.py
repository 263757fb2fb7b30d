"""Every error the hub raises, in one tree.

    HubError                 exit code 2: could not run
    |-- UsageError           flags or arguments that do not fit together
    |-- NoPlugin             no installed plugin claims the file, or the named format
    |-- PluginError          a plugin broke the contract or failed to import
    |-- DamagedFile          the bytes contradict the format they claim
    |-- UnsupportedFile      well formed, but of a kind that is not converted
    |-- MissingFact          a hyper-parameter or tokenizer fact is nowhere in the source
    |-- UnmappedTensor       a tensor has no place in the target
    |-- TargetExists         writing would replace something and --force was not given
    |-- NotVerified          exit code 1: the result differs from the source
    |-- BadSignature         exit code 1: unsigned, signed by nobody who is trusted, or not what was signed
    |-- NotAuthentic         exit code 1: an encrypted file does not open: another key, or not what was encrypted
    `-- Altered              exit code 1: a file that carries its own digest is not what it was made as

A message is one line: what is wrong, where, what was expected, what to do next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class HubError(Exception):
    """What went wrong, and where: `file`, byte `offset`, `tensor` and `plugin` are shown when given.

    `hint` says what the user can do next. `exit_code` is what a command ends with.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        offset: int | None = None,
        tensor: str | None = None,
        plugin: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = None if file is None else str(file)
        self.offset = offset
        self.tensor = tensor
        self.plugin = plugin
        self.hint = hint

    def __str__(self) -> str:
        where = [self.file] if self.file else []
        where += [f"byte {self.offset}"] if self.offset is not None else []
        where += [f"tensor {_short(self.tensor, 200)!r}"] if self.tensor is not None else []
        message = _short(self.message, 600)
        text = ": ".join([", ".join(where), message] if where else [message])
        text += f"; {self.hint}" if self.hint else ""
        text += f" [{self.plugin}]" if self.plugin else ""
        return " ".join(text.split())


def _short(text: str, most: int) -> str:
    """`text` without its middle when it is long: names and values in it may come from a damaged file."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


class Terminated(SystemExit):
    """A signal ends the program; not to be mistaken for a plugin that calls `sys.exit`."""


class UsageError(HubError):
    """Flags or arguments that do not fit together, or a flag that would have no effect."""


class NoPlugin(HubError):
    """No installed plugin claims the file or has the name."""


class PluginError(HubError):
    """A plugin failed to import, broke the contract, or clashes with another."""


class DamagedFile(HubError):
    """The bytes contradict the format they claim: truncated, out of range, overlapping, malformed."""


@contextmanager
def as_damage(file: Path | str) -> Iterator[None]:
    """Inside the block, whatever a library raises about the bytes of `file` is `DamagedFile`; a `HubError` stays."""
    try:
        yield
    except (HubError, MemoryError):
        raise
    except Exception as error:
        raise DamagedFile(f"cannot be read: {error!r}", file=file) from error


class UnsupportedFile(HubError):
    """The file is well formed but of a kind that is shown and not converted, or refused on purpose."""


class MissingFact(HubError):
    """A fact the target needs is nowhere in the source; `--assume` or `--pre` can state it."""


class UnmappedTensor(HubError):
    """A tensor has no name or no place in the target; `--allow-unmapped` leaves it out, said aloud."""


class TargetExists(HubError):
    """The target, or a file in it, exists and would be replaced."""


class NotVerified(HubError):
    """The result was read back and differs from the source; nothing was left at the target."""

    exit_code = 1


class BadSignature(HubError):
    """A model is unsigned, not signed by a key that is trusted for it, or not the files that were signed."""

    exit_code = 1


class NotAuthentic(HubError):
    """An encrypted file does not open with this key, or is not what was encrypted; nothing was written."""

    exit_code = 1


class Altered(HubError):
    """A file that carries the digest of what is in it holds something else: damaged, cut short, or changed."""

    exit_code = 1
