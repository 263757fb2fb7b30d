"""Sending a publication: bytes first, then one commit that shows all of it, then what the Hub lists is compared.

huggingface_hub carries the bytes (Git LFS or Xet for the large ones). Nothing is visible before the commit; a commit
whose branch has moved meanwhile is refused. https://huggingface.co/docs/hub/api, `siblings` of a model, have the sha256
of large files and git's own sha1 of all others.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hub.errors import NotVerified, UsageError
from hub_sources._digests import Digest, pieces
from hub_sources._huggingface import digest_of
from hub_sources._refusals import patiently, saying
from hub_sources.publishing._plan import CARD, Publication

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Where:
    """Where to publish to: the `branch`, whether a new repository is `private`, the `message` of the commit.

    `endpoint` is that of huggingface_hub's own variable when None; `patience` are the seconds to wait before each
    further question to a Hub that is busy.
    """

    branch: str = "main"
    private: bool = False
    message: str | None = None
    endpoint: str | None = None
    patience: Sequence[float] = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Sent:
    """What was published: the `commit`, its address, whether the repository is new, and how many files were compared.

    `others` are files that the repository held before and that are no part of this.
    """

    commit: str
    url: str
    created: bool
    compared: int
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def send(publication: Publication, where: Where) -> Sent:
    """Publish what was planned; `NotVerified` when the Hub then lists other bytes than were sent.

    `HubError` when the Hub refuses or cannot be reached; unless it says that the commit was made, nothing is visible.
    """
    if publication.problems:
        raise UsageError(f"{len(publication.problems)} things stand against it: {publication.problems[0]}")
    with _quietly() as said:
        found = _Repository(publication, where).publish()
    return Sent(*found, tuple(dict.fromkeys(said)))


class _Repository:
    """One repository at the Hub, to be written to."""

    def __init__(self, publication: Publication, where: Where) -> None:
        from huggingface_hub import HfApi, constants

        self.publication, self.where = publication, where
        self.place = (where.endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
        self.api: HfApi = HfApi(endpoint=self.place)

    def publish(self) -> tuple[str, str, bool, int, tuple[str, ...]]:
        """Commit, address, whether it is new, files compared, and names of files that were there before."""
        repo, branch = self.publication.repo, self.where.branch
        created = self._made()
        if branch != "main":
            self._ask(lambda: self.api.create_branch(repo, branch=branch, exist_ok=True))
        before = self._ask(lambda: self.api.model_info(repo, revision=branch, timeout=30))
        operations = self._operations()
        with self._saying():
            self.api.preupload_lfs_files(repo, operations, revision=branch, free_memory=False)
        self.publication.seal.check()  # what was sent is what was checked
        with self._saying():
            made = self.api.create_commit(
                repo, operations, commit_message=self._message(), revision=branch, parent_commit=before.sha
            )
        compared = self._compare(made.oid)
        own = {entry.name for entry in self.publication.files}
        others = tuple(s.rfilename for s in before.siblings or () if s.rfilename not in {*own, ".gitattributes"})
        return made.oid, str(made.commit_url), created, compared, others

    def _made(self) -> bool:
        """Make the repository unless it is there; True when it was not."""
        from huggingface_hub.errors import RepositoryNotFoundError

        repo = self.publication.repo
        try:
            there = self.api.model_info(repo, timeout=30)
        except RepositoryNotFoundError:
            self._ask(lambda: self.api.create_repo(repo, private=self.where.private or None, exist_ok=True))
            return True
        except Exception:  # a Hub that is busy, or refuses, says so again
            there = self._ask(lambda: self.api.model_info(repo, timeout=30))
        if self.where.private and not there.private:
            raise UsageError("--private has no effect: the repository is there, and public", file=f"hf://{repo}")
        return False

    def _operations(self) -> list[Any]:
        from huggingface_hub import CommitOperationAdd

        operations = []
        for entry in self.publication.files:
            made = self.publication.made if entry.name == CARD else None
            one = CommitOperationAdd(entry.name, made if made is not None else self.publication.root / entry.name)
            one.upload_info.sha256 = bytes.fromhex(entry.sha256)  # read once already
            operations.append(one)
        return operations

    def _message(self) -> str:
        models = ", ".join(sorted({m.format for m in self.publication.models}))
        return self.where.message or f"Publish {models} with hub"

    def _compare(self, commit: str) -> int:
        """How many files the Hub lists as they were sent; `NotVerified` names those that differ or are missing."""
        repo = self.publication.repo
        info = self._ask(lambda: self.api.model_info(repo, revision=commit, files_metadata=True, timeout=30))
        listed = {s.rfilename: s for s in info.siblings or ()}
        wrong = [f"{e.name} {said}" for e in self.publication.files if (said := self._wrong(e, listed.get(e.name)))]
        if wrong:
            more = f" and {len(wrong) - _SHOWN} more" if wrong[_SHOWN:] else ""
            raise NotVerified(
                f"what the Hub lists is not what was sent: {', '.join(wrong[:_SHOWN])}{more}",
                file=f"hf://{repo}@{commit}",
                hint="publish again, and if it stays so, do not trust the place",
            )
        return len(self.publication.files)

    def _wrong(self, entry: Any, sibling: Any) -> str:
        """How what the Hub lists of a file differs from what was sent; empty when it does not."""
        if sibling is None:
            return "is not there"
        digest = digest_of(sibling)
        if digest is None:
            return "has no digest there"
        found = entry.sha256 if digest.kind == "sha256" else self._git(entry, digest)
        if digest.value != found:
            return f"has {digest.kind} {digest.value} there, {found} was sent"
        return "" if sibling.size in {None, entry.nbytes} else f"has {sibling.size} bytes there"

    def _git(self, entry: Any, digest: Digest) -> str:
        made = self.publication.made if entry.name == CARD else None
        state = digest.new(entry.nbytes)
        if made is not None:
            state.update(made)
        else:
            for piece in _read(self.publication.root / entry.name):
                state.update(piece)
        return state.hexdigest()

    def _ask(self, question: Callable[[], T]) -> T:
        with self._saying():
            return patiently(question, self.where.patience)

    def _saying(self) -> Any:
        return saying(f"hf://{self.publication.repo}", self.place, writes=True)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from pieces(file)


@contextmanager
def _quietly() -> Iterator[list[str]]:
    """huggingface_hub's bars only on a terminal, and its warnings as notes."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    said: list[str] = []
    hushes = not sys.stderr.isatty() and not are_progress_bars_disabled()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if hushes:
            disable_progress_bars()
        try:
            yield said
        finally:
            if hushes:
                enable_progress_bars()
    said += [" ".join(str(w.message).split()) for w in caught if issubclass(w.category, UserWarning)]
