"""What stands between hub and the real registry, and breaks: it cuts connections, says busy, and asks for tokens."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_PIECE = 1 << 16


@dataclass
class Fault:
    """What goes wrong: `cut` after so many bytes of a body, or `status` instead of an answer, `times` times.

    `method` and a `part` of the path say of which requests.
    """

    method: str
    part: str
    cut: int | None = None
    status: int = 0
    times: int = 1_000_000

    def strikes(self, method: str, path: str) -> bool:
        if self.times < 1 or method != self.method or self.part not in path:
            return False
        self.times -= 1
        return True


@dataclass
class Between:
    """The state: faults, every request with its headers, and the user that tokens are given to (None: no tokens).

    `elsewhere` is the port that uploads are sent to.
    """

    upstream: int
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    user: str | None = None
    elsewhere: int | None = None
    port: int = 0

    def address(self, path: str) -> str:
        return f"oci://127.0.0.1:{self.port}/{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Between

    def log_message(self, *arguments: object) -> None:
        """Requests are in `asked`."""

    def do(self) -> None:
        state, path = self.state, self.path
        state.asked.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
        fault = next((f for f in state.faults if f.strikes(self.command, path)), None)
        if fault is not None and fault.status:
            self.rest()
            self.answer(fault.status, b"{}", {"Retry-After": "0"})
        elif path.startswith("/token"):
            self.token()
        elif state.user is not None and not self.allowed():
            self.rest()
            scope = "pull" if self.command in {"GET", "HEAD"} else "pull,push"
            challenge = f'Bearer realm="http://127.0.0.1:{state.port}/token",service="test",scope="{scope}"'
            self.answer(401, b"{}", {"Www-Authenticate": challenge})
        else:
            self.forward(None if fault is None else fault.cut)

    def __getattr__(self, name: str) -> Any:  # do_GET and its kin
        if name.startswith("do_"):
            return self.do
        raise AttributeError(name)

    def rest(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def token(self) -> None:
        expected = f"Basic {base64.b64encode((self.state.user or '').encode()).decode()}"
        scope = parse_qs(urlsplit(self.path).query).get("scope", [""])[0]
        if self.headers.get("Authorization") != expected and scope != "pull":
            self.answer(401, b"{}", {})
        else:
            self.answer(200, json.dumps({"token": f"may-{scope}"}).encode(), {})

    def allowed(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer may-").split(",")
        return ("pull" if self.command in {"GET", "HEAD"} else "push") in given

    def forward(self, cut: int | None) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.state.upstream, timeout=30)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in {"authorization", "connection"}}
        length = int(self.headers.get("Content-Length") or 0)
        with contextlib.closing(upstream):
            if cut is not None and self.command == "PUT":
                upstream.request(self.command, self.path, self.pieces(cut), headers)
                self.hang_up()
                return
            upstream.request(self.command, self.path, self.pieces(length) if length else None, headers)
            got = upstream.getresponse()
            self.send_response(got.status)
            for name, value in got.getheaders():
                moved = self.state.elsewhere if name == "Location" else None
                self.send_header(name, value.replace(f":{self.state.port}/", f":{moved}/") if moved else value)
            self.end_headers()
            sent = 0
            while piece := got.read(_PIECE):
                piece = piece if cut is None else piece[: cut - sent]
                self.wfile.write(piece)
                sent += len(piece)
                if cut is not None and sent >= cut:
                    self.hang_up()
                    return

    def pieces(self, length: int) -> Iterator[bytes]:
        while length and (piece := self.rfile.read(min(_PIECE, length))):
            length -= len(piece)
            yield piece

    def hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(2)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A side that hangs up is no event."""


@contextlib.contextmanager
def between(upstream: int) -> Iterator[Between]:
    """It, on a free port of this machine, in front of the registry at the port `upstream`."""
    state = Between(upstream)
    handler = type("Handler", (_Handler,), {"state": state})
    with _Server(("127.0.0.1", 0), handler) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join(10)
