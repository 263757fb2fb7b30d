"""A stand-in for the Hugging Face Hub on this machine: the parts of its API that downloads ask for, and its faults.

`hub_loopback_writes` has the other direction.

Tests start it with `served(Loopback())`, add repositories and faults, and look at what was `asked`. Plain files are
served too (`files`), so it is any web server as well.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from hub_loopback_writes import Writes

COMMITS = tuple(digit * 40 for digit in "123456789")
_SPOILS = {"flip", "cut", "slow"}
LFS_FROM = 4096  # bytes; what is smaller lies in git itself


@dataclass
class Fault:
    """What the server does wrong: `flip` a byte, `cut` the first answer in its middle, answer `status`, and so on.

    `only` names the requests it concerns, by the end of their path; `times` how often it happens.
    """

    kind: str
    only: str = ""
    status: int = 0
    times: int = 1_000_000
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def strikes(self, path: str) -> bool:
        if self.times < 1 or not unquote(path).endswith(self.only):
            return False
        self.times -= 1
        return True


@dataclass
class Repo:
    """A repository: files at each of its commits; `main` is the number of the commit that main is."""

    commits: list[dict[str, bytes]]
    main: int = 0
    gated: bool = False
    private: bool = False
    branches: dict[str, int] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def at(self, revision: str) -> int | None:
        names = {**self.branches, "main": self.main} | {c: n for n, c in enumerate(COMMITS)}
        found = names.get(revision)
        return found if found is not None and found < len(self.commits) else None

    def moved(self, branch: str, number: int) -> None:
        """Let `branch` be that commit."""
        if branch == "main":
            self.main = number
        else:
            self.branches[branch] = number


class Loopback(ThreadingHTTPServer):
    """The server; `asked` has every request: method, path, headers."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, elsewhere: Loopback | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, Repo] = {}
        self.files: dict[str, bytes] = {}  # of a plain web server
        self.stored: dict[str, bytes] = {}  # what was uploaded, by the sha256 that it was announced with
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.elsewhere = elsewhere
        self.token: str | None = None
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no event."""

    def add(self, name: str, *commits: Mapping[str, bytes], gated: bool = False) -> Repo:
        self.repos[name] = Repo([dict(c) for c in commits], gated=gated)
        return self.repos[name]

    def paths(self, method: str = "GET") -> list[str]:
        return [path for how, path, _ in self.asked if how == method]


class _Handler(Writes):
    protocol_version = "HTTP/1.1"
    server: Loopback

    def log_message(self, *arguments: object) -> None:
        """Requests are in `asked`."""

    def do_GET(self) -> None:  # noqa: N802  # http.server's name
        self.answer(body=True)

    def do_HEAD(self) -> None:  # noqa: N802  # http.server's name
        self.answer(body=False)

    def answer(self, body: bool) -> None:
        hub, path = self.server, urlsplit(self.path).path
        with hub.lock:
            hub.asked.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
            fault = next((f for f in hub.faults if f.kind == "status" and f.strikes(path)), None)
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if fault is not None:
            self.send(fault.status, b"", {"Content-Type": "text/plain", **fault.headers})
        elif path in hub.files:
            kind = "text/html" if path.endswith("/") else "application/octet-stream"
            self.ranged(hub.files[path], {"Content-Type": kind}, body, path)
        elif info and not self.refused(info[1]):
            self.info(info[1], unquote(info[2] or "main"))
        elif file and not self.refused(file[1]):
            self.resolve(hub.repos[file[1]], unquote(file[2]), unquote(file[3]), body, path)
        elif not (info or file):
            self.send(404, b"", {})

    def refused(self, name: str) -> bool:
        """Answers as the Hub does for what is not there or not for everybody."""
        hub, bearer = self.server, self.headers.get("Authorization", "")
        repo = hub.repos.get(name)
        if repo is None:
            self.send(401 if not bearer else 404, b"", {"X-Error-Code": "RepoNotFound"} if bearer else {})
        elif repo.gated and bearer != f"Bearer {hub.token}" and "/resolve/" in self.path:
            self.send(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to it is restricted."})
        else:
            return False
        return True

    def info(self, name: str, revision: str) -> None:
        repo = self.server.repos[name]
        number = repo.at(revision)
        if number is None:
            self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        else:
            whole = "blobs=true" in self.path.lower()  # else the Hub tells names alone
            files = repo.commits[number].items()
            siblings = [sibling(name, data) if whole else {"rfilename": name} for name, data in files]
            document = {"id": name, "modelId": name, "sha": COMMITS[number], "siblings": siblings, "gated": repo.gated}
            document["private"] = repo.private
            self.send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def resolve(self, repo: Repo, revision: str, file: str, body: bool, path: str) -> None:
        number = repo.at(revision)
        data = None if number is None else repo.commits[number].get(file)
        if number is None or data is None:
            code = "RevisionNotFound" if number is None else "EntryNotFound"
            self.send(404, b"", {"X-Error-Code": code, "X-Repo-Commit": COMMITS[0]})
            return
        large = len(data) >= LFS_FROM
        etag = hashlib.sha256(data).hexdigest() if large else git_sha1(data)
        headers = {"X-Repo-Commit": COMMITS[number], "ETag": f'"{etag}"'}
        if large:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data))}
        if large and self.server.elsewhere is not None:
            self.server.elsewhere.files[f"/{etag}"] = data
            self.send(302, b"", {**headers, "Location": f"{self.server.elsewhere.url}/{etag}"})
        else:
            self.ranged(data, headers, body, path)

    def ranged(self, data: bytes, headers: dict[str, str], body: bool, path: str) -> None:
        """`data`, or the part of it that Range asks for; spoilt as the faults say."""
        total, start, status = len(data), 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        faults = {f.kind: f for f in self.server.faults if f.kind in _SPOILS and body and f.strikes(path)}
        if "flip" in faults:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if asked:
            start, status = int(asked[1]), 206
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        headers |= {"Content-Length": str(total - start), "Accept-Ranges": "bytes"}
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if not body:
            return
        if "cut" in faults or "slow" in faults:
            self.wfile.write(data[start : start + (total - start) // 2])
            self.wfile.flush()
            if "slow" in faults:
                time.sleep(faults["slow"].seconds)
            else:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            start += (total - start) // 2
        self.wfile.write(data[start:])

    def send(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def sibling(name: str, data: bytes) -> dict[str, Any]:
    """A file as the Hub's API lists it."""
    entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git_sha1(data)}
    if len(data) >= LFS_FROM:
        entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return entry


def served(server: Loopback) -> Iterator[Loopback]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
