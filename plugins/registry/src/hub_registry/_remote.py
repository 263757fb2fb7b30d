"""A registry that speaks OCI's distribution protocol: what is asked of it, and every byte compared.

The protocol: https://github.com/opencontainers/distribution-spec/blob/main/spec.md.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import oras.auth
import oras.container
import requests

from hub.errors import DamagedFile, HubError, NotVerified, UsageError
from hub_registry._bytes import PIECE
from hub_registry._client import ATTEMPTS, Client
from hub_registry._manifest import INDEX, MANIFEST, MOST, Blob, Manifest, digest_of, parsed
from hub_registry._names import Address

_READ = 1 << 16  # bytes asked of a connection at once: what is lost when it breaks
_PAUSE = 0.1  # seconds before the second attempt; twice as long before each further one
_BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class _Broken(HubError):
    """The connection broke; another attempt may do."""


class Remote:
    """The repository of an address. Plain http for this machine, or where `insecure` asks for it; https elsewhere."""

    def __init__(self, address: Address, *, insecure: bool = False) -> None:
        if insecure and address.is_here:
            raise UsageError("--insecure has no effect: plain http is what this machine is asked by", file=str(address))
        self.address, plain = address, insecure or address.is_here
        self.base = f"{'http' if plain else 'https'}://{address.host}/v2/{address.repository}"
        self.client = Client(address.host, plain=plain, here=address.is_here)
        with self._saying():
            self._authenticate(plain)

    def manifest(self) -> Manifest:
        """The manifest at the address; `NotVerified` when its bytes are not those of its digest."""
        accept = {"Accept": f"{MANIFEST}, {INDEX}"}
        with self._saying(), self._ask(f"manifests/{self.address.reference}", headers=accept, stream=True) as answer:
            self._check(answer, 200)
            raw = b"".join(_bounded(answer.iter_content(PIECE), MOST + 1))
            announced = {answer.headers.get("Docker-Content-Digest"), self.address.digest} - {None}
        found = digest_of(raw)
        if others := announced - {found}:
            raise self._altered(f"a manifest of digest {found}", others.pop() or "")
        return parsed(raw, str(self.address))

    def fetch(self, blob: Blob, target: Path, advance: Callable[[int], None]) -> None:
        """Write a blob to the new file `target`, onto the disk; a connection that breaks is taken up where it broke.

        `NotVerified` as soon as it is clear that the bytes are others, and nothing stays.
        """
        try:
            with target.open("xb") as file:
                self._fetch(blob, file, advance)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def _fetch(self, blob: Blob, file: IO[bytes], advance: Callable[[int], None]) -> None:
        found, size = hashlib.sha256(), 0
        for attempt in range(ATTEMPTS):
            try:
                for piece in self._pieces(blob, size):
                    size += len(piece)
                    if size > blob.size:
                        raise self._altered(f"more than {blob.size:,} bytes", blob.digest)
                    found.update(piece)
                    file.write(piece)
                    advance(len(piece))
                break
            except _Broken:
                if attempt == ATTEMPTS - 1:
                    raise
            time.sleep(_PAUSE * 2**attempt)
        if f"sha256:{found.hexdigest()}" != blob.digest:
            raise self._altered(f"{size:,} bytes of digest sha256:{found.hexdigest()}", blob.digest)

    def _pieces(self, blob: Blob, start: int) -> Iterator[bytes]:
        """The blob's bytes from `start` on."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._saying(), self._ask(f"blobs/{blob.digest}", headers=headers, stream=True) as answer:
            if answer.status_code == 404:
                named = f"{blob.path or 'its configuration'} ({blob.digest})"
                raise DamagedFile(f"the registry lacks {named}, which the manifest names", file=str(self.address))
            self._check(answer, 200, 206)
            pieces = answer.iter_content(_READ)
            yield from _behind(pieces, start) if start and answer.status_code == 200 else pieces

    def has(self, blob: Blob) -> bool:
        """True when the registry has the blob in this repository."""
        with self._saying(), self._ask(f"blobs/{blob.digest}", "HEAD") as answer:
            self._check(answer, 200, 404)
            return bool(answer.status_code == 200)

    def digest(self) -> str | None:
        """The digest that the tag is at, or None."""
        with self._saying(), self._ask(f"manifests/{self.address.reference}", "HEAD", {"Accept": MANIFEST}) as answer:
            self._check(answer, 200, 404)
            return answer.headers.get("Docker-Content-Digest") if answer.status_code == 200 else None

    def send(self, blob: Blob, path: Path, advance: Callable[[int], None]) -> None:
        """Upload a blob in one stream from the disk; begun again, from its first byte, when the connection breaks.

        `NotVerified`, before its last bytes go, when it is not what its digest says.
        """
        body = _Body(path, blob, advance) if blob.size else b""
        for attempt in range(ATTEMPTS):
            try:
                with self._saying():
                    self._send(blob, body)
                return
            except _Broken:
                if attempt == ATTEMPTS - 1:
                    raise
            time.sleep(_PAUSE * 2**attempt)

    def _send(self, blob: Blob, body: _Body | bytes) -> None:
        with self._ask("blobs/uploads/", "POST", {"Content-Length": "0"}) as begun:
            self._check(begun, 202)
            where = urljoin(begun.url, begun.headers.get("Location", ""))
        where += f"{'&' if urlsplit(where).query else '?'}digest={blob.digest}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
        with self.client.do_request(where, "PUT", data=body, headers=headers) as done:
            self._check(done, 201)

    def put(self, manifest: Manifest) -> None:
        """Put the manifest at the address: what was uploaded becomes visible by it. `NotVerified` if it changed."""
        kind = {"Content-Type": MANIFEST}
        with self._saying(), self._ask(f"manifests/{self.address.reference}", "PUT", kind, manifest.raw) as answer:
            self._check(answer, 201)
        if (there := self.digest()) != manifest.digest:
            raise self._altered(f"a manifest of digest {there}", manifest.digest)

    def _authenticate(self, plain: bool) -> None:
        """Find out how the registry wants to be asked, and the credentials for it."""
        root = self.base.removesuffix(self.address.repository)
        with self.client.session.get(root) as answer:
            challenge = answer.headers.get("Www-Authenticate", "") if answer.status_code == 401 else ""
        if challenge.lower().startswith("basic"):
            self.client.auth = oras.auth.get_auth_backend("basic", self.client.session, plain)
        container = oras.container.Container(f"{self.address.host}/{self.address.repository}")
        container.registry = self.address.host
        self.client.auth.load_configs(container, configs=_configurations())

    def _ask(self, path: str, method: str = "GET", headers: Any = None, data: Any = None, stream: bool = False) -> Any:
        return self.client.do_request(f"{self.base}/{path}", method, data=data, headers=headers, stream=stream)

    def _check(self, answer: Any, *expected: int) -> None:
        """`HubError` for an answer that is none of those expected, or came by a way that anybody could change."""
        for hop in (*answer.history, answer):
            if self.base.startswith("https:") and not hop.url.startswith("https:"):
                raise HubError(f"leads to the plain address {hop.url}", file=str(self.address))
        if answer.status_code in expected:
            return
        login = f"docker login {self.address.host}, or oras login, keeps credentials for it"
        hint = {401: login, 403: login, 404: "look at the spelling of repository and tag"}.get(answer.status_code)
        raise HubError(f"the registry says {answer.status_code} {_reason(answer)}", file=str(self.address), hint=hint)

    def _altered(self, found: str, expected: str) -> NotVerified:
        return NotVerified(
            f"not the bytes that were announced: {found}, {expected} was expected", file=str(self.address)
        )

    @contextmanager
    def _saying(self) -> Iterator[None]:
        """What the network, oras and requests say as a `HubError`."""
        try:
            yield
        except _BROKEN as error:
            said = f"the connection broke, or there was none: {_innermost(error)}"
            raise _Broken(said, file=str(self.address)) from error
        except (requests.RequestException, ValueError, KeyError) as error:
            raise HubError(f"cannot be asked: {error!r}", file=str(self.address)) from error


class _Body:
    """A blob's bytes as requests sends them, from the first on each time it asks, and hashed on the way."""

    def __init__(self, path: Path, blob: Blob, advance: Callable[[int], None]) -> None:
        self._path, self._blob, self._advance, self._told = path, blob, advance, 0

    def __len__(self) -> int:
        return self._blob.size

    def __iter__(self) -> Iterator[bytes]:
        self._advance(-self._told)
        self._told, size, found = 0, 0, hashlib.sha256()
        with self._path.open("rb") as file:
            while piece := file.read(PIECE):
                size += len(piece)
                found.update(piece)
                if size >= self._blob.size and (size, f"sha256:{found.hexdigest()}") != self._wanted:
                    break
                self._told += len(piece)
                self._advance(len(piece))
                yield piece
        if (size, f"sha256:{found.hexdigest()}") != self._wanted:
            raise NotVerified("is not what its name says: it was altered", file=self._path, hint=_VERIFY)

    @property
    def _wanted(self) -> tuple[int, str]:
        return self._blob.size, self._blob.digest


_VERIFY = "hub registry verify names all that is wrong"


def _innermost(error: BaseException) -> BaseException:
    """The cause that says what happened, below what libraries made of it."""
    inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    return _innermost(inner) if isinstance(inner, BaseException) else error


def _bounded(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """The first pieces, `most` bytes or a piece more."""
    size = 0
    for piece in pieces:
        yield piece
        size += len(piece)
        if size >= most:
            return


def _behind(pieces: Iterator[bytes], start: int) -> Iterator[bytes]:
    """The pieces without the first `start` bytes, of a registry that knows no ranges."""
    for piece in pieces:
        yield piece[start:]
        start = max(0, start - len(piece))


def _reason(answer: Any) -> str:
    """What the registry says went wrong, in short: the code and message of its first error."""
    try:
        first = answer.json()["errors"][0]
        return f"{first['code']}: {first.get('message', '')}"[:200]
    except (ValueError, KeyError, IndexError, TypeError, requests.RequestException):
        return str(answer.reason or "")


def _configurations() -> list[str]:
    """Where Docker and its kin keep credentials, besides ~/.docker/config.json, which oras looks into itself."""
    named = [Path(folder) / "config.json" for folder in [os.environ.get("DOCKER_CONFIG")] if folder]
    named += [Path(file) for file in [os.environ.get("REGISTRY_AUTH_FILE")] if file]
    return [str(path) for path in named if path.is_file()]
