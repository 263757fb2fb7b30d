"""Every file that the reference library wrote: what its manifest says of it, byte for byte."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from hub.errors import DamagedFile, HubError, UnsupportedFile
from hub_apr.container import V1, Container, Legacy, footer, open_any
from hub_apr.container._v1 import Flags as V1Flags

Entry = dict[str, Any]

# The reference container reader refuses these; the inference loader's packed blobs and the older dialect are read here.
OTHERS_READ = {"v2_realizar_lz4.apr", "v2_realizar_zstd.apr", "legacy_apr0_compressed_lz4.apr"}

# The reference's error class and what ours says.
REASONS = {
    "InvalidMagic": "magic is",
    "ChecksumMismatch": "header checksum",
    "LAYOUT-002": "COLUMN_MAJOR",
    "file too small for metadata": "the metadata lies at",
    "invalid type": "was expected",
    "invalid value": "was expected",
    "missing field": "was expected",
    "MetadataError": "is not JSON",
    "tensor index offset past end": "the tensor index starts at",
    "buffer too small": "tensor index ends inside|tensors are announced",
    "invalid dtype": "dtype byte",
    "not sorted": "not sorted",
    "Checksum mismatch": "checksum is",
    "Unsupported format version": "APRN version",
    "Unknown model type": "model type",
    "exceeds maximum": "uncompressed bytes are announced",
    "Unknown compression": "compression 4",
}


def v2_file(path: Path) -> Container:
    opened = open_any(path)
    assert isinstance(opened, Container)
    return opened


def v1_file(path: Path) -> V1:
    opened = open_any(path)
    assert isinstance(opened, V1)
    return opened


def test_all_files_are_there_as_they_were_written(fixture: Entry, apr: Path) -> None:
    data = (apr / fixture["file"]).read_bytes()
    assert (len(data), f"{zlib.crc32(data):08x}") == (fixture["size"], fixture["crc32_of_file"])


def test_accepted_or_refused_as_by_the_reference(fixture: Entry, apr: Path) -> None:
    path = apr / fixture["file"]
    if fixture["reference"].get("accepts") or fixture["file"] in OTHERS_READ:
        assert open_any(path) is not None
    else:
        with pytest.raises((DamagedFile, UnsupportedFile)):
            open_any(path)


def test_refused_for_the_same_reason(refused: Entry, apr: Path) -> None:
    if refused["file"] in OTHERS_READ:
        return
    reason = next(ours for theirs, ours in REASONS.items() if theirs in refused["reference"]["error"])
    with pytest.raises(HubError) as caught:
        open_any(apr / refused["file"])
    assert re.search(reason, str(caught.value))
    assert str(apr / refused["file"]) in str(caught.value)


def test_header(v2: Entry, apr: Path) -> None:
    header, told = v2_file(apr / v2["file"]).header, v2["dump"]["header"]
    assert header.magic.hex() == told["magic"]
    assert list(header.version) == told["version"]
    assert (header.flags, header.tensor_count) == (told["flags"], told["tensor_count"])
    assert (header.metadata_offset, header.metadata_size) == (told["metadata_offset"], told["metadata_size"])
    assert (header.tensor_index_offset, header.data_offset) == (told["tensor_index_offset"], told["data_offset"])
    assert f"{header.checksum:08x}" == told["checksum"]
    assert header.reserved.hex() == told["reserved"]
    assert header.pack() == (apr / v2["file"]).read_bytes()[:64]


def test_metadata(v2: Entry, apr: Path) -> None:
    assert v2_file(apr / v2["file"]).metadata == v2["dump"]["metadata_raw"]


def test_tensor_table(v2: Entry, apr: Path) -> None:
    container, told = v2_file(apr / v2["file"]), v2["dump"]
    found = [(e.name, list(e.shape), e.dtype.name, e.dtype.id, e.offset, e.size) for e in container.entries]
    keys = ("name", "shape", "dtype", "dtype_id", "offset", "size")
    assert found == [tuple(t[key] for key in keys) for t in told["tensors"]]
    assert [container.position(e) for e in container.entries] == [t["abs_offset"] for t in told["tensors"]]
    assert container.required_size == told["required_file_len"]
    assert (not container.unaligned) == told["alignment_ok"]


def test_tensor_bytes(v2: Entry, apr: Path) -> None:
    container = v2_file(apr / v2["file"])
    for entry, told in zip(container.entries, v2["dump"]["tensors"], strict=True):
        if told["in_bounds"]:
            assert f"{zlib.crc32(container.read(entry)):08x}" == told["crc32"], entry.name
        else:
            with pytest.raises(DamagedFile, match="cut short"):
                container.read(entry)


def test_footer(v2: Entry, apr: Path) -> None:
    end, told = footer(v2_file(apr / v2["file"]).image), v2["dump"]["footer"]
    assert (f"{end.stored:08x}", f"{end.computed:08x}", end.valid) == (told["stored"], told["computed"], told["valid"])


def test_v1_header_and_metadata(v1: Entry, apr: Path) -> None:
    found, told = v1_file(apr / v1["file"]), v1["dump"]["header"]
    assert found.model_type_name == told["model_type_name"]
    names = (
        "model_type",
        "metadata_size",
        "payload_size",
        "uncompressed_size",
        "compression",
        "flags",
        "quality_score",
    )
    assert {name: getattr(found, name) for name in names} == {name: told[name] for name in names}
    assert list(found.version) == told["version"]
    assert found.metadata == v1["dump"]["metadata_raw"]
    assert found.footer.valid == v1["dump"]["footer_valid"]
    assert len(found.tail) == v1["dump"]["bytes_between_payload_and_crc"]
    assert found.describe()["model_type"] == told["model_type_name"]


def test_v1_payload(v1: Entry, apr: Path) -> None:
    found, told = v1_file(apr / v1["file"]), v1["dump"]
    assert f"{zlib.crc32(found.stored_payload()):08x}" == told["payload_crc32"]
    if V1Flags.ENCRYPTED in found.flags:
        with pytest.raises(UnsupportedFile, match="encrypted"):
            found.payload()
        return
    payload = found.payload()
    assert f"{zlib.crc32(payload):08x}" == told["payload_uncompressed_crc32"]
    assert len(payload) == told["payload_uncompressed_len"]
    if "payload_hex" in told:
        assert payload.hex() == told["payload_hex"]


def test_v1_signature(apr: Path, tmp_path: Path) -> None:
    path = apr / "v1_signed.apr"
    assert v1_file(path).signature_valid() is True
    assert v1_file(apr / "v1_zstd.apr").signature_valid() is None
    data = bytearray(path.read_bytes())
    data[22] ^= 1  # the quality score is signed too
    data[-4:] = zlib.crc32(data[:-4]).to_bytes(4, "little")
    (tmp_path / "changed.apr").write_bytes(data)
    assert v1_file(tmp_path / "changed.apr").signature_valid() is False


def test_v1_decrypts(apr: Path, manifest: dict[str, Entry]) -> None:
    plain = v1_file(apr / "v1_golden.apr").payload()
    password = manifest["v1_encrypted_password.apr"]["password"]
    secret = bytes.fromhex(manifest["v1_encrypted_recipient.apr"]["recipient_secret_hex"])
    assert v1_file(apr / "v1_encrypted_password.apr").payload(password=password) == plain
    assert v1_file(apr / "v1_encrypted_recipient.apr").payload(secret_key=secret) == plain
    with pytest.raises(UnsupportedFile, match="does not open"):
        v1_file(apr / "v1_encrypted_password.apr").payload(password=password[::-1])
    with pytest.raises(UnsupportedFile, match="does not open"):
        v1_file(apr / "v1_encrypted_recipient.apr").payload(secret_key=bytes(31) + b"\1")


@pytest.mark.parametrize("name", ["legacy_apr1_json.apr", "legacy_apr0_compressed_lz4.apr"])
def test_apr1(name: str, apr: Path, manifest: dict[str, Entry]) -> None:
    opened, told = open_any(apr / name), manifest["legacy_apr1_json.apr"]["dump"]
    assert isinstance(opened, Legacy)
    assert opened.metadata == told["metadata"]
    assert (opened.data_start, opened.footer_valid) == (told["data_start"], told["footer_valid"])
    found = [(t.name, list(t.shape), t.encoding.name, f"{zlib.crc32(t.read()):08x}") for t in opened.tensors]
    assert found == [(t["name"], t["shape"], t["dtype"], t["crc32"]) for t in told["tensors"]]


def test_a_file_found_in_the_wild(apr: Path, manifest: dict[str, Entry]) -> None:
    opened, told = open_any(apr / "real/sample-mlp.apr"), manifest.get("real/sample-mlp.apr", {}).get("dump")
    assert isinstance(opened, Legacy)
    assert opened.footer_valid
    assert opened.metadata["hidden_size"] == 128
    assert opened.tensors
    assert all(t.nbytes == len(t.read()) for t in opened.tensors)
    assert told is None or len(opened.tensors) == told["n_tensors"]


def test_a_solver_file_is_no_model(apr: Path) -> None:
    with pytest.raises(UnsupportedFile, match="solver"):
        open_any(apr / "real/eil51-aco.apr")


@pytest.mark.parametrize("name", ["v2_realizar_lz4.apr", "v2_realizar_zstd.apr"])
def test_a_blob_unpacks_to_the_image_it_was_made_from(name: str, apr: Path, manifest: dict[str, Entry]) -> None:
    container = v2_file(apr / name)
    image = container.image.read(0, container.image.size)
    assert (
        f"{zlib.crc32(image):08x}" == manifest["v2_realizar_lz4.apr"]["uncompressed_image_crc32"]
        or name != "v2_realizar_lz4.apr"
    )
    plain = v2_file(apr / "v2_golden_current.apr")
    assert [(e.name, e.shape) for e in container.entries] == [(e.name, e.shape) for e in plain.entries]
    assert [container.read(e) for e in container.entries] == [plain.read(e) for e in plain.entries]
