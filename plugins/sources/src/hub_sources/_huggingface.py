"""hf://ORG/REPO[@REV][/FILE]: models on the Hugging Face Hub, or on what HF_ENDPOINT says.

huggingface_hub carries the bytes, keeps them in its cache and goes on where a connection was cut. It neither goes on
where an earlier process ended, nor compares the bytes with what the Hub's API lists. Both are done here:
https://huggingface.co/docs/hub/api, `siblings` of a model, have the sha256 of what lies in LFS and git's own sha1 of
everything else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hub.errors import HubError, NotVerified, UsageError
from hub.pipeline import Silent
from hub_sources._choose import Choice, choose
from hub_sources._digests import Digest, copy
from hub_sources._progress import telling
from hub_sources._refusals import patiently, saying
from hub_sources.interface import Obtained, Part, Wish

_ADDRESS = re.compile(
    r"hf://(?P<org>[\w.-]+)/(?P<name>[\w.-]+)(?:@(?P<rev>refs/(?:pr|convert)/[^/]+|[^/]+))?(?:/(?P<file>.+))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Address:
    """A repository `org`/`name` at a revision, and the `file` in it when one was named."""

    org: str
    name: str
    revision: str
    file: str | None

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that `text` is; `UsageError` otherwise."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise UsageError("is no address of a repository; hf://ORG/REPO[@REV][/FILE] was expected", file=text)
        return cls(found["org"], found["name"], (found["rev"] or "main").replace("%2F", "/"), found["file"])

    @property
    def repo(self) -> str:
        """ORG/REPO."""
        return f"{self.org}/{self.name}"

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"hf://{self.repo}{revision}"


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a repository at one `commit`, each with its size and what its bytes must be."""

    commit: str
    files: Mapping[str, tuple[int, Digest | None]]


class HuggingFace:
    """The Hugging Face Hub; `endpoint` and `cache` are those of huggingface_hub's own variables when None.

    `patience` are the seconds to wait before each further question to a Hub that is busy.
    """

    name = "huggingface"
    schemes: tuple[str, ...] = ("hf",)

    def __init__(
        self, endpoint: str | None = None, cache: Path | None = None, patience: Sequence[float] = (1, 2, 4)
    ) -> None:
        self._endpoint, self._cache, self._patience = endpoint, cache, patience

    def fetch(self, address: str, into: Path) -> Path:
        """The model at `address`."""
        return self.obtain(address, into, Wish()).path

    def obtain(self, address: str, into: Path, wish: Wish) -> Obtained:
        """The model at `address`, one commit of it, every byte compared with what the Hub lists."""
        where = Address.parse(address)
        store = self._store(where)
        offline = wish.offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
        listing = store.kept() if offline else store.listed()
        choice = choose(listing.files, wish, where.file, str(where))
        parts = self._bring(store, listing, choice, into, wish, offline)
        if not offline:
            store.remember(listing.commit)
        notes = (*choice.notes, *(["offline: only what is in the cache was looked at"] if offline else []))
        path = into / where.name if choice.folder else into / choice.main.removeprefix(choice.root)
        return Obtained(path, tuple(parts), listing.commit, choice.encode, notes)

    def _bring(
        self, store: Store, listing: Listing, choice: Choice, into: Path, wish: Wish, offline: bool
    ) -> list[Part]:
        root = into / store.address.name if choice.folder else into
        wish.progress.start("fetch", sum(listing.files[n][0] for n in choice.files))
        parts = []
        for name in choice.files:
            bar = telling(wish.progress)
            if not offline:
                store.go_on(name, listing.commit, bar, listing.files[name][1])
            kept = store.file(name, listing.commit, bar, offline)
            wish.progress.advance(listing.files[name][0] - bar.told)  # what was in the cache
            short = name.removeprefix(choice.root)
            try:
                expected = listing.files[name][1] or _named(kept)
                parts.append(copy(kept, root / short, expected, Silent(), short))
            except NotVerified as error:
                _forget(kept)
                error.file = f"{store.address}/{name}"
                error.hint = "it was deleted from the cache; try again, and if it stays so, do not trust the place"
                raise
        return parts

    def _store(self, address: Address) -> Store:
        from huggingface_hub import constants

        endpoint = self._endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
        return Store(address, endpoint.rstrip("/"), self._cache or Path(constants.HF_HUB_CACHE), self._patience)


@dataclass(frozen=True, slots=True)
class Store:
    """One repository, at the Hub and in the cache."""

    address: Address
    endpoint: str
    cache: Path
    patience: Sequence[float]

    @property
    def _folder(self) -> Path:
        """The repository's place in the cache (https://huggingface.co/docs/huggingface_hub/guides/manage-cache)."""
        return self.cache / f"models--{self.address.org}--{self.address.name}"

    def listed(self) -> Listing:
        """What the Hub lists; `HubError` when it refuses, or cannot be reached."""
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self.endpoint)
        with saying(str(self.address), self.endpoint):
            info = patiently(
                lambda: api.model_info(
                    self.address.repo, revision=self.address.revision, files_metadata=True, timeout=30
                ),
                self.patience,
            )
        if not info.sha or not _COMMIT.fullmatch(info.sha):
            raise HubError(f"its revision is {info.sha!r}, the name of a commit was expected", file=str(self.address))
        return Listing(info.sha, {s.rfilename: (s.size or 0, digest_of(s)) for s in info.siblings or ()})

    def kept(self) -> Listing:
        """What the cache holds of the revision; the names of its blobs are what they must hash to."""
        revision, ref = self.address.revision, self._folder / "refs" / self.address.revision
        commit = revision if _COMMIT.fullmatch(revision) else ref.read_text().strip() if ref.is_file() else ""
        snapshot = self._folder / "snapshots" / commit
        if not commit or not snapshot.is_dir():
            raise HubError("is not in the cache, and offline", file=str(self.address), hint="go without --offline once")
        files = {p.relative_to(snapshot).as_posix(): p for p in snapshot.rglob("*") if p.is_file()}
        return Listing(commit, {name: (path.stat().st_size, _named(path)) for name, path in files.items()})

    def go_on(self, name: str, commit: str, bar: type[Any], expected: Digest | None) -> None:
        """Fetch a large file to where the cache keeps it, from the byte on to which another run has come.

        huggingface_hub itself begins again when its process ends. What comes by Xet is left to it.
        """
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

        if expected is None or expected.kind != "sha256" or self._blob(expected).exists():
            return
        with saying(f"{self.address}/{name}", self.endpoint):
            url = hf_hub_url(self.address.repo, name, revision=commit, endpoint=self.endpoint)
            there = get_hf_file_metadata(url, endpoint=self.endpoint)
            by_xet = there.xet_file_data and not constants.HF_HUB_DISABLE_XET and find_spec("hf_xet")
            if there.etag == expected.value and not by_xet:
                self._continue(url, there.location, there.size, bar, expected)

    def _continue(self, url: str, location: str, size: int | None, bar: type[Any], expected: Digest) -> None:
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]  # it is documented

        blob, part = self._blob(expected), self._folder / "hub" / f"{expected.value}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        # The token is the Hub's; wherever else it keeps the bytes, the address is the permission.
        here = urlsplit(url).netloc == urlsplit(location).netloc
        with WeakFileLock(part.with_suffix(".lock")):
            if blob.exists():
                return
            with part.open("ab") as file:
                if size is not None and file.tell() > size:
                    file.truncate(file.seek(0))
                headers = build_hf_headers(token=None if here else False)
                http_get(location, file, resume_size=file.tell(), headers=headers, expected_size=size, tqdm_class=bar)
            blob.parent.mkdir(parents=True, exist_ok=True)
            part.replace(blob)

    def _blob(self, expected: Digest) -> Path:
        return self._folder / "blobs" / expected.value

    def file(self, name: str, commit: str, bar: type[Any], offline: bool) -> Path:
        """The file in the cache, fetched when it is not there; not yet compared with anything."""
        from huggingface_hub import hf_hub_download

        with saying(f"{self.address}/{name}", self.endpoint):
            found = hf_hub_download(
                self.address.repo,
                name,
                revision=commit,
                cache_dir=self.cache,
                endpoint=self.endpoint,
                local_files_only=offline,
                tqdm_class=bar,
            )
        return Path(found)

    def remember(self, commit: str) -> None:
        """Note in the cache which commit the revision is, as huggingface_hub does, for work without a network."""
        if self.address.revision == commit:
            return
        ref = self._folder / "refs" / self.address.revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        fresh = ref.with_name(f".{ref.name}.{os.getpid()}")
        fresh.write_text(commit)
        fresh.replace(ref)


def digest_of(sibling: Any) -> Digest | None:
    """What the Hub's API says of a file's bytes."""
    if sibling.lfs is not None:
        return Digest("sha256", sibling.lfs.sha256)
    return Digest("git sha1", sibling.blob_id) if sibling.blob_id else None


def _named(path: Path) -> Digest | None:
    """What a cached file must hash to, by the name of the blob that it is a link to: the ETag that it came with."""
    name = path.resolve().name
    if _SHA256.fullmatch(name):
        return Digest("sha256", name)
    return Digest("git sha1", name) if _COMMIT.fullmatch(name) else None


def _forget(kept: Path) -> None:
    """Delete a file from the cache: the blob, and the link that names it."""
    blob = kept.resolve()
    kept.unlink(missing_ok=True)
    blob.unlink(missing_ok=True)
