"""https://HOST/PATH[#sha256=HEX]: one model file on any server.

The bytes are those of the server that the certificate names; with #sha256=HEX they are compared as well. http:// takes
one or the other: a digest, or a server on this machine.
"""

from __future__ import annotations

import re
import tempfile
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from hub.errors import HubError, UsageError
from hub.pipeline import Silent
from hub_sources._choose import choose
from hub_sources._digests import Digest, copy
from hub_sources._progress import telling
from hub_sources._refusals import saying
from hub_sources.interface import Obtained, Wish

_FRAGMENT = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE)
_LARGEST_SIGNATURE = 64 << 20


class Web:
    """Any server that speaks HTTP."""

    name = "web"
    schemes: tuple[str, ...] = ("https", "http")

    def fetch(self, address: str, into: Path) -> Path:
        """The model at `address`."""
        return self.obtain(address, into, Wish()).path

    def obtain(self, address: str, into: Path, wish: Wish) -> Obtained:
        """The model file at `address`, with ADDRESS.sig where there is one."""
        parts, expected = _parsed(address)
        if wish.offline:
            raise UsageError("--offline forbids what this address needs", file=address)
        name = unquote(parts.path).rpartition("/")[2]
        choose([name], wish, name, address)  # a file of no format, or a pickle, is not worth the way
        url = parts._replace(fragment="").geturl()
        with tempfile.TemporaryDirectory(dir=into) as folder:
            raw = Path(folder) / name
            _download(url, raw, wish, trusted=expected is not None)
            brought = [copy(raw, into / name, expected, Silent(), address)]
            if _there(signature := parts._replace(fragment="", path=f"{parts.path}.sig").geturl()):
                _download(signature, raw, Wish(), trusted=expected is not None)
                brought.append(copy(raw, into / f"{name}.sig", None, Silent(), signature))
        notes = () if expected else ("nothing to compare the bytes with; #sha256=HEX behind the address does that",)
        return Obtained(into / name, tuple(brought), notes=notes)


def _parsed(address: str) -> tuple[SplitResult, Digest | None]:
    parts = urlsplit(address)
    found = _FRAGMENT.fullmatch(parts.fragment)
    if not parts.hostname or parts.path.endswith("/") or not parts.path or (parts.fragment and not found):
        raise UsageError("https://HOST/PATH[#sha256=HEX] was expected", file=address)
    expected = Digest("sha256", found[1].lower()) if found else None
    _check_safe(parts.geturl(), address, expected is not None)
    return parts, expected


def _check_safe(url: str, address: str, trusted: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not trusted and not _here(parts.hostname or ""):
        where = "" if url == address else f" at {parts.hostname}, where it leads,"
        said = f"anybody on the way{where} could change what http:// brings"
        raise HubError(said, file=address, hint="use https://, or say #sha256=HEX")


def _here(host: str) -> bool:
    """True for this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _there(url: str) -> bool:
    """True when the server has a signature of bearable size there."""
    from huggingface_hub import get_session

    try:
        answer = get_session().head(url, timeout=30)
    except Exception:  # whatever keeps it away, there is none to be had
        return False
    if answer.status_code != 200 or "html" in answer.headers.get("Content-Type", ""):  # a page that says sorry
        return False
    length = answer.headers.get("Content-Length", "")
    return length.isdecimal() and 0 < int(length) <= _LARGEST_SIGNATURE


def _download(url: str, target: Path, wish: Wish, *, trusted: bool) -> None:
    """The bytes behind `url`; a connection that breaks is taken up again where it broke."""
    from huggingface_hub import get_session
    from huggingface_hub.file_download import http_get

    place = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    with saying(url, place):
        with get_session().stream("GET", url, timeout=30) as answer:
            for hop in (*answer.history, answer):
                _check_safe(str(hop.url), url, trusted)
            if answer.status_code >= 500 or answer.status_code in {401, 403, 404}:
                answer.raise_for_status()
            final, length = str(answer.url), answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        wish.progress.start("fetch", size or 0)
        with target.open("wb") as file:
            http_get(final, file, expected_size=size, tqdm_class=telling(wish.progress))
