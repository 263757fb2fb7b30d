"""Signs small models as this release does, into tests/signing/releases/VERSION: they must verify for ever.

    python scripts/release_signatures.py

Run once for each release; a folder that is there already is never written again. The private keys exist in memory only
and are gone when the script ends, so nobody can make another signature that these public keys verify.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from hub import __version__
from hub.errors import TargetExists
from hub.signing import KeyType, PrivateKey, sign_model
from hub.signing.manifest import manifest

RELEASES = Path(__file__).parents[1] / "tests" / "signing" / "releases"


def safetensors(tensors: dict[str, list[int]]) -> bytes:
    """The bytes of a SafeTensors file that holds `tensors` as U8."""
    header, data = {}, b""
    for name, values in tensors.items():
        header[name] = {"dtype": "U8", "shape": [len(values)], "data_offsets": [len(data), len(data) + len(values)]}
        data += bytes(values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def models(at: Path) -> list[Path]:
    """A folder, a file, and a file in two parts with an index, written into `at`; the paths to sign."""
    (at / "folder" / "1_Pooling").mkdir(parents=True)
    (at / "folder" / "model.safetensors").write_bytes(safetensors({"a": [1, 2, 3], "b": [4]}))
    (at / "folder" / "config.json").write_text('{"model_type": "release"}\n')
    (at / "folder" / "1_Pooling" / "config.json").write_text("{}\n")
    (at / "folder" / "notes.bin").write_text("left out of the signature\n")
    (at / "single.safetensors").write_bytes(safetensors({"a": [1, 2, 3], "b": [4]}))
    (at / "split").mkdir()
    parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for part, tensors in zip(parts, ({"a": [1, 2, 3]}, {"b": [4]}), strict=True):
        (at / "split" / part).write_bytes(safetensors(tensors))
    index = {"metadata": {"total_size": 4}, "weight_map": dict(zip("ab", parts, strict=True))}
    (at / "split" / "model.safetensors.index.json").write_text(json.dumps(index) + "\n")
    return [at / "folder", at / "single.safetensors", at / "split" / "model.safetensors.index.json"]


def sign(at: Path, type_: KeyType) -> None:
    """Make the models below `at`, and sign each with a new key of which only the public half is kept."""
    key = PrivateKey.generate(type_)
    for number, model in enumerate(models(at)):
        ignore = ["notes.bin"] if model.is_dir() else []
        describe = lambda model=model: manifest(model)  # noqa: E731
        sign_model(model, key, name=f"hub/{type_}", sequence=number, ignore=ignore, describe=describe)
    (at / "key.pub").write_bytes(key.public.pem)


def main() -> None:
    """Sign for this version of the hub; `TargetExists` when that was done."""
    folder = RELEASES / __version__
    if folder.exists():
        raise TargetExists("exists already; what a release signed stays as it is", file=folder)
    for type_ in get_args(KeyType):
        sign(folder / type_, type_)
        print(folder / type_)


if __name__ == "__main__":
    main()
