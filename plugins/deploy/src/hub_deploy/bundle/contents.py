"""What a bundle says of itself, as a document and as lines to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN = ("hub", "model", "runs_on", "packages", "runtime")


def shown(contents: Mapping[str, Any]) -> dict[str, Any]:
    """What a JSON document has of `contents`: all but the list of files."""
    return {key: contents[key] for key in _SHOWN} | {"files": len(contents["files"]) + len(contents["links"])}


def lines(contents: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Label and value of what people want to know."""
    from rich.filesize import decimal

    model, on, runtime = contents["model"], contents["runs_on"], contents["runtime"]
    yield "Model", f"{model['name'] or model['source']}, {model['quantization']}, {decimal(model['nbytes'])}"
    yield "Made of", ", ".join([model["source"], *model["encode"], *model["assume"]])
    yield "SHA-256", model["sha256"]
    yield "License", model["license"] or "the model does not say"
    yield "Signature", _signature(model["signature"])
    yield "Runs on", _machine(on)
    libraries = ", ".join(on["libraries"])
    yield "System libraries", libraries or None
    yield "Processor", ", ".join(on["cpu"]) or None
    kept = decimal(runtime["unpacked"])
    yield "Runtime", f"hub {contents['hub']} and {len(contents['packages'])} packages, {kept} once unpacked"


def _machine(on: Mapping[str, Any]) -> str:
    libc = f", glibc {on['glibc']} or later" if on["glibc"] else ""
    return f"{on['system']} {on['machine']}{libc}, with {on['implementation']} {on['python']}"


def _signature(signed: Mapping[str, Any] | None) -> str:
    """What the source's signature says; it is not verified here."""
    if signed is None:
        return "the source has none"
    key = f"key {signed['key'][:16]}" if signed["key"] else "a key that it does not name"
    return f"the source's says {signed['name']!r}, by {key}; not verified here"
