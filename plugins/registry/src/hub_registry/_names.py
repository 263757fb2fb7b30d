"""What models are called: ORG/MODEL:TAG in the store, oci://HOST/REPO:TAG elsewhere.

The grammar of a name is what both OCI's image layout (org.opencontainers.image.ref.name) and its registries take.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from hub.errors import UsageError

STAGES = ("staging", "production")
"""Tags that move as the work goes on; every other one stays where it is unless --force moves it."""
USUAL_TAG = "latest"
SCHEME = "oci"

_PART = r"[A-Za-z0-9]+(?:(?:--|[-._])[A-Za-z0-9]+)*"
_DIGEST = r"sha256:[0-9a-f]{64}"
_NAME = re.compile(
    rf"(?P<model>{_PART}(?:/{_PART})+)(?::(?P<tag>{_PART}))?(?:@(?P<digest>{_DIGEST}))?(?:\#(?P<pick>[^#]+))?"
)
_REPOSITORY = re.compile(
    r"(?P<repo>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    rf"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}))?(?:@(?P<digest>{_DIGEST}))?"
)
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:\d{1,5})?")
_LONGEST = 255, 128  # characters of a repository and of a tag, in OCI's distribution specification


@dataclass(frozen=True, slots=True)
class Name:
    """A name in the store: a `model` with its organisation, and its `tag` or its manifest's `digest`.

    `pick` says which of several formats is meant: a format's name, or a file's.
    """

    model: str
    tag: str = USUAL_TAG
    digest: str | None = None
    pick: str | None = None

    def __str__(self) -> str:
        behind = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"{self.model}{behind}" + (f"#{self.pick}" if self.pick else "")

    @property
    def key(self) -> str:
        """The name as index.json has it."""
        return f"{self.model}:{self.tag}"

    @property
    def is_stage(self) -> bool:
        """True for a tag that moves."""
        return self.tag in STAGES

    def tagged(self, tag: str) -> Name:
        """The same model under another tag."""
        return parse(f"{self.model}:{tag}")

    def bare(self) -> Name:
        """The name without a choice of format."""
        return replace(self, pick=None)


def read(text: str) -> Name | None:
    """The name that `text` is, or None where it cannot be one."""
    found = _NAME.fullmatch(text)
    if found is None or len(found["model"]) > _LONGEST[0] or len(found["tag"] or "") > _LONGEST[1]:
        return None
    return Name(found["model"], found["tag"] or USUAL_TAG, found["digest"], found["pick"])


def parse(text: str, *, writes: bool = False) -> Name:
    """The name that `text` is; `UsageError` otherwise, and for what names no place to write to where that is asked."""
    found = read(text)
    if found is None:
        raise UsageError("is no name of a model: ORG/MODEL[:TAG] was expected", file=text)
    if writes and (found.digest or found.pick):
        raise UsageError("names what is there; ORG/MODEL[:TAG] was expected", file=text)
    return found


@dataclass(frozen=True, slots=True)
class Address:
    """A model in a registry: oci://HOST/REPO:TAG, or oci://HOST/REPO@sha256:..., with #FORMAT behind."""

    host: str
    repository: str
    tag: str = USUAL_TAG
    digest: str | None = None
    pick: str | None = None

    def __str__(self) -> str:
        behind = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"{SCHEME}://{self.host}/{self.repository}{behind}"

    @property
    def reference(self) -> str:
        """What follows /manifests/ in the registry's own address."""
        return self.digest or self.tag

    @property
    def is_here(self) -> bool:
        """True for a registry on this machine."""
        host = urlsplit(f"//{self.host}").hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def address(text: str, *, writes: bool = False) -> Address:
    """The address that `text` is; `UsageError` that says what was expected."""
    scheme, _, rest = text.partition("://")
    host, _, path = rest.partition("/")
    path, _, pick = path.partition("#")
    found = _REPOSITORY.fullmatch(path)
    if scheme.lower() != SCHEME or found is None or not _HOST.fullmatch(host) or len(found["repo"]) > _LONGEST[0]:
        raise UsageError("oci://HOST/REPO[:TAG] was expected, REPO in lower case", file=text)
    if writes and (found["digest"] or pick):
        raise UsageError("oci://HOST/REPO:TAG was expected: a tag is what can be pushed to", file=text)
    return Address(host, found["repo"], found["tag"] or USUAL_TAG, found["digest"], pick or None)
