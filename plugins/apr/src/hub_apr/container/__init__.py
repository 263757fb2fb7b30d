"""The APR containers, byte for byte: v2, v1, and what came before.

Layouts are those of the aprender project's `apr-format` library and of the readers and writers around it.
"""

from hub_apr.container._checksum import FOOTER, Footer, crc32, footer
from hub_apr.container._dialect import Dialect, Opened, open_any, tell
from hub_apr.container._dtypes import BY_ENCODING, BY_NAME, DTYPES, Dtype
from hub_apr.container._header import MAGIC, SIZE, Flags, Header, checksum_fits, parse_header
from hub_apr.container._image import FileImage, Image, MemoryImage
from hub_apr.container._index import ALIGNMENT, DIMS_LIMIT, NAME_LIMIT, Entry, pack_index, up64
from hub_apr.container._json import parse_json
from hub_apr.container._legacy import Legacy
from hub_apr.container._metadata import ALIASES, KNOWN, field, pack_metadata, parse_metadata, repeated, spelled
from hub_apr.container._v1 import V1
from hub_apr.container._v2 import Container, metadata_bytes, open_container, shared

__all__ = [
    "ALIASES",
    "ALIGNMENT",
    "BY_ENCODING",
    "BY_NAME",
    "DIMS_LIMIT",
    "DTYPES",
    "FOOTER",
    "KNOWN",
    "MAGIC",
    "NAME_LIMIT",
    "SIZE",
    "V1",
    "Container",
    "Dialect",
    "Dtype",
    "Entry",
    "FileImage",
    "Flags",
    "Footer",
    "Header",
    "Image",
    "Legacy",
    "MemoryImage",
    "Opened",
    "checksum_fits",
    "crc32",
    "field",
    "footer",
    "metadata_bytes",
    "open_any",
    "open_container",
    "pack_index",
    "pack_metadata",
    "parse_header",
    "parse_json",
    "parse_metadata",
    "repeated",
    "shared",
    "spelled",
    "tell",
    "up64",
]
