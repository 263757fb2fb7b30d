"""What the stand-in of the Hub does for those who write: new repositories, Git LFS, commits; and what goes wrong there.

The Hub's own order: which files are large (`preupload`), their bytes to the store (Git LFS batch API, basic transfer),
then one commit that names all. A commit whose parent is not the branch's head is refused with 412.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from hub_loopback import Loopback, Repo

_ATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"  # the Hub begins every repository with some


class Writes(BaseHTTPRequestHandler):
    """POST and PUT."""

    server: Loopback

    def send(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        raise NotImplementedError

    def do_POST(self) -> None:  # http.server's name
        self.write()

    def do_PUT(self) -> None:
        self.write()

    def write(self) -> None:
        hub, path = self.server, urlsplit(self.path).path
        with hub.lock:
            hub.asked.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
            fault = next((f for f in hub.faults if f.kind in {"status", "hang up"} and f.strikes(path)), None)
        data = self.body(path)
        if data is None:
            return
        if fault is not None and fault.kind == "status":
            self.send(fault.status, b"", {"Content-Type": "text/plain", **fault.headers})
        else:
            self.written(path, data)
            if fault is not None:  # done, and nobody hears of it
                self.close_connection = True

    def written(self, path: str, data: bytes) -> None:
        if path.startswith("/lfs/"):  # its address is the permission
            self.store(path, data)
        elif self.server.token is not None and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self.send(401, b"", {})
        else:
            for pattern, answer in _ROUTES.items():
                found = re.fullmatch(pattern, path)
                if found:
                    getattr(self, answer)(*map(unquote, found.groups()), data=data)
                    return
            self.send(404, b"", {})

    def body(self, path: str) -> bytes | None:
        """What is sent; None when the connection is cut before all of it has come."""
        with self.server.lock:
            cut = next((f for f in self.server.faults if f.kind == "cut" and f.strikes(path)), None)
            slow = next((f for f in self.server.faults if f.kind == "slow" and f.strikes(path)), None)
        if slow is not None:
            time.sleep(slow.seconds)
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            data = b"".join(self.chunks())
        else:
            size = int(self.headers.get("Content-Length", 0))
            data = self.rfile.read(size // 2 if cut else size)
        if cut is None:
            return data
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
        return None

    def chunks(self) -> Any:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def say(self, document: Any, status: int = 200) -> None:
        self.send(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def flipped(self, name: str, data: bytes) -> bytes:
        """`data`, with its last bit changed where a fault says so: a store that keeps something else."""
        with self.server.lock:
            fault = next((f for f in self.server.faults if f.kind == "keep other" and f.strikes(name)), None)
        return data if fault is None else data[:-1] + bytes([data[-1] ^ 1])

    def create(self, *, data: bytes) -> None:
        asked = json.loads(data)
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.server.repos:
            self.say({"error": "You already created this model repo", "url": f"{self.server.url}/{name}"}, 409)
            return
        repo = self.server.add(name, {".gitattributes": _ATTRIBUTES})
        repo.private = asked.get("visibility") == "private" or asked.get("private") is True
        self.say({"url": f"{self.server.url}/{name}"})

    def validate(self, *, data: bytes) -> None:
        content = json.loads(data)["content"]
        bad = re.search(r"^license: (?!other$|[a-z0-9.+-]+$)", content, re.MULTILINE)
        self.say({"errors": [{"message": '"license" must be one of'}], "warnings": []}, 400 if bad else 200)

    def repo(self, name: str) -> Repo | None:
        repo = self.server.repos.get(name)
        if repo is None:
            self.send(404, b"", {"X-Error-Code": "RepoNotFound"})
        return repo

    def branch(self, name: str, branch: str, *, data: bytes) -> None:
        repo = self.repo(name)
        if repo is None:
            return
        if repo.at(branch) is not None:
            self.send(409, b"", {})
            return
        repo.branches[branch] = repo.main
        self.say({})

    def preupload(self, name: str, revision: str, *, data: bytes) -> None:
        repo = self.repo(name)
        number = repo.at(revision) if repo else None
        if repo is None or number is None:
            return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"}) if repo else None
        there = repo.commits[number]
        self.say({"files": [self.mode(there, asked) for asked in json.loads(data)["files"]]})
        return None

    def mode(self, there: Mapping[str, bytes], asked: Mapping[str, Any]) -> dict[str, Any]:
        from hub_loopback import LFS_FROM, git_sha1

        large, old = asked["size"] >= LFS_FROM, there.get(asked["path"])
        oid = None if old is None else hashlib.sha256(old).hexdigest() if len(old) >= LFS_FROM else git_sha1(old)
        mode = "lfs" if large else "regular"
        return {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def batch(self, name: str, *, data: bytes) -> None:
        if self.repo(name) is None:
            return
        objects = []
        for asked in json.loads(data)["objects"]:
            action = {"upload": {"href": f"{self.server.url}/lfs/{asked['oid']}"}}
            known = asked["oid"] in self.server.stored
            objects.append(asked if known else {**asked, "actions": action})
        self.say({"transfer": "basic", "objects": objects})

    def store(self, path: str, data: bytes) -> None:
        self.server.stored[path.removeprefix("/lfs/")] = self.flipped(path, data)
        self.send(200, b"", {"ETag": '"stored"'})

    def commit(self, name: str, revision: str, *, data: bytes) -> None:
        from hub_loopback import COMMITS

        repo, lines = self.repo(name), [json.loads(line) for line in data.splitlines()]
        if repo is None:
            return
        number = repo.at(revision)
        header = next(line["value"] for line in lines if line["key"] == "header")
        if number is None or header.get("parentCommit", COMMITS[number]) != COMMITS[number]:
            self.say({"error": "A commit has happened since. Please refresh and try again."}, 412)
            return
        files = dict(repo.commits[number])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = self.flipped(value["path"], base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.stored[value["oid"]]
        repo.commits.append(files)
        repo.messages.append(header["summary"])
        repo.moved(revision, len(repo.commits) - 1)
        oid = COMMITS[len(repo.commits) - 1]
        url = f"{self.server.url}/{name}/commit/{oid}"
        self.say({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})


_ROUTES = {
    "/api/repos/create": "create",
    "/api/validate-yaml": "validate",
    r"/api/models/([^/]+/[^/]+)/branch/([^/]+)": "branch",
    r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)": "preupload",
    r"/api/models/([^/]+/[^/]+)/commit/([^/]+)": "commit",
    r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch": "batch",
}
