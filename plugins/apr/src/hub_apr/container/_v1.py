"""APR v1 (`APRN`): one serialized Rust value of a classic model, compressed, perhaps signed or encrypted.

The payload is bincode of a struct that the file does not describe, so it is shown and never converted.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Any

from hub.errors import DamagedFile, UnsupportedFile
from hub_apr.container import _crypto
from hub_apr.container._checksum import FOOTER, Footer, footer
from hub_apr.container._image import Image
from hub_apr.container._unpack import LARGEST, check_size, lz4_block, zstd_frame

if TYPE_CHECKING:
    from hub.signing import OwnSignature

MAGIC = b"APRN"
SIZE = 32
_LAYOUT = struct.Struct("<4sBBHIIIBBB9s")
_SIGNATURE = 96

MODEL_TYPES: dict[int, str] = {
    1: "LinearRegression", 2: "LogisticRegression", 3: "DecisionTree", 4: "RandomForest", 5: "GradientBoosting",
    6: "KMeans", 7: "Pca", 8: "NaiveBayes", 9: "Knn", 0x0A: "Svm", 0x10: "NgramLm", 0x11: "Tfidf",
    0x12: "CountVectorizer", 0x20: "NeuralSequential", 0x21: "NeuralCustom", 0x30: "ContentRecommender",
    0x40: "MixtureOfExperts", 0xFF: "Custom",
}  # fmt: skip
COMPRESSIONS: dict[int, str] = {0: "none", 1: "zstd", 2: "zstd", 3: "lz4"}


class Flags(IntFlag):
    """Flags of the v1 header; bit 7 is masked off."""

    ENCRYPTED = 0x01
    SIGNED = 0x02
    STREAMING = 0x04
    LICENSED = 0x08
    TRUENO_NATIVE = 0x10
    QUANTIZED = 0x20
    HAS_MODEL_CARD = 0x40


@dataclass(frozen=True)
class V1:
    """A v1 file: header fields, metadata, and where the payload lies; `uncompressed_size` counts the plain value."""

    image: Image
    version: tuple[int, int]
    model_type: int
    metadata_size: int
    payload_size: int
    uncompressed_size: int
    compression: int
    flags: Flags
    quality_score: int
    metadata: Mapping[str, Any]
    footer: Footer

    @property
    def model_type_name(self) -> str:
        """What kind of model it is, as the library names it."""
        return MODEL_TYPES[self.model_type]

    @property
    def payload_offset(self) -> int:
        """Where the stored payload starts."""
        return SIZE + self.metadata_size

    @property
    def tail(self) -> bytes:
        """The bytes between payload and footer: signature and public key when SIGNED."""
        start = self.payload_offset + self.payload_size
        return self.image.read(start, self.image.size - FOOTER - start)

    def stored_payload(self) -> bytes:
        """The payload as stored: compressed, perhaps encrypted."""
        return self.image.read(self.payload_offset, self.payload_size)

    def payload(self, *, password: str | None = None, secret_key: bytes | None = None) -> bytes:
        """The serialized value, decrypted when needed and unpacked; its length is checked against the header.

        `secret_key` is the recipient's 32-byte X25519 key. `UnsupportedFile` when encrypted and neither is given.
        """
        data = self.stored_payload()
        if Flags.ENCRYPTED in self.flags:
            if password is None and secret_key is None:
                raise UnsupportedFile(
                    "the payload is encrypted", file=self.image.path, hint="its password or recipient key is needed"
                )
            data = _crypto.decrypt(data, self.image.path, password=password, secret_key=secret_key)
        path, offset, size = self.image.path, self.payload_offset, self.uncompressed_size
        if COMPRESSIONS[self.compression] == "zstd":
            return zstd_frame(data, path, offset, size)
        if COMPRESSIONS[self.compression] == "lz4":
            return lz4_block(data, path, offset, size)
        check_size(len(data), size, path, offset)
        return data

    def own_signature(self) -> OwnSignature | None:
        """The signature over header, metadata and payload; None when not SIGNED. `DamagedFile` when it is cut."""
        from hub.signing import OwnSignature

        if Flags.SIGNED not in self.flags:
            return None
        end = self.payload_offset + self.payload_size
        room = self.image.size - FOOTER - end
        if room != _SIGNATURE or end > LARGEST:
            raise DamagedFile(
                f"a signature takes {_SIGNATURE} bytes, {room} are there", file=self.image.path, offset=end
            )
        name = self.metadata.get("model_name")
        message = self.image.read(0, end)
        return OwnSignature(message, self.tail[:64], self.tail[64:], name if isinstance(name, str) else None)

    def signature_valid(self) -> bool | None:
        """Whether the signature in the file is that of the key in the file; None when not SIGNED.

        That says that the file is as its signer left it, not who that was: `hub verify --key` does.
        """
        own = self.own_signature()
        if own is None:
            return None
        return _crypto.verify(own.message, signature=own.signature, public_key=own.public_key)

    def describe(self) -> dict[str, Any]:
        """What the file is, for people: kind, sizes, flags, metadata."""
        return {
            "format": f"APR v1 {self.version[0]}.{self.version[1]}",
            "model_type": self.model_type_name,
            "compression": COMPRESSIONS[self.compression],
            "flags": [flag.name for flag in Flags if flag in self.flags],
            "payload_bytes": self.payload_size,
            "uncompressed_bytes": self.uncompressed_size,
            "quality_score": self.quality_score or None,
            "metadata": dict(self.metadata),
        }


def open_v1(image: Image) -> V1:
    """Parse header and metadata of a v1 file.

    Refused in the order of the reference reader: too short, wrong footer checksum, another magic, a major version
    above 1, an unknown model type, a payload announced as over 1 GiB, an unknown compression, sections past the end.
    """
    path = image.path
    if image.size < SIZE + FOOTER:
        raise DamagedFile(f"has {image.size} bytes; an APR v1 file takes at least {SIZE + FOOTER}", file=path, offset=0)
    end = footer(image)
    if not end.valid:
        raise DamagedFile(
            f"checksum is {end.stored:08x}, {end.computed:08x} was expected", file=path, offset=image.size - FOOTER
        )
    magic, major, minor, kind, meta, payload, plain, packing, flags, score, _ = _LAYOUT.unpack(image.read(0, SIZE))
    if magic != MAGIC:
        raise DamagedFile(f"magic is {magic!r}, {MAGIC!r} was expected", file=path, offset=0)
    if major > 1:
        raise UnsupportedFile(f"APRN version {major}.{minor}; 1.0 is the latest known", file=path, offset=4)
    if kind not in MODEL_TYPES:
        raise DamagedFile(f"model type {kind:#06x} is none of the format's", file=path, offset=6)
    if plain > LARGEST:
        raise DamagedFile(
            f"{plain} uncompressed bytes are announced, at most {LARGEST} are allowed", file=path, offset=16
        )
    if packing not in COMPRESSIONS:
        raise DamagedFile(f"compression {packing} is none of the format's", file=path, offset=20)
    if SIZE + meta + payload > image.size - FOOTER:
        raise DamagedFile(
            f"the payload ends at {SIZE + meta + payload}, the file at {image.size - FOOTER}",
            file=path,
            offset=8,
        )
    return V1(
        image, (major, minor), kind, meta, payload, plain, packing, Flags(flags & 0x7F), score,
        _metadata(image, meta), end,
    )  # fmt: skip


def _metadata(image: Image, size: int) -> dict[str, Any]:
    import msgpack

    try:
        value = msgpack.unpackb(image.read(SIZE, size), strict_map_key=True)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise DamagedFile(f"the metadata is not MessagePack: {error!r}", file=image.path, offset=SIZE) from None
    if not isinstance(value, dict):
        raise DamagedFile("the metadata is no MessagePack map", file=image.path, offset=SIZE)
    return value
