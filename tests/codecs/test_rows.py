"""Tensors in another encoding, or shifted, are computed when they are read and go back to what they were."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs import decode, encode, recode, shift, span, values
from hub.errors import UnsupportedFile, UsageError
from hub.ir import ENCODINGS, F16, F32, Bytes, Change, Encoding, File, MemoryRows, Tensor, stacked

Q8_0, NVFP4, APR_Q4, APR_Q8, F64 = (ENCODINGS[name] for name in ("Q8_0", "NVFP4", "APR_Q4", "APR_Q8", "F64"))


class Recorded(MemoryRows):
    """Rows in memory that note what is read of them."""

    def __init__(self, data: Bytes) -> None:
        super().__init__(data)
        self.reads: list[tuple[int, int]] = []

    def fill(self, start: int, stop: int, out: Bytes) -> None:
        self.reads.append((start, stop))
        super().fill(start, stop, out)


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(11).normal(0, 1, shape).astype(np.float32)


def tensor(array: NDArray[np.float32], encoding: Encoding = F32) -> Tensor:
    rows, columns = encoding.grid(array.shape)
    return Tensor("w", array.shape, encoding, Recorded(encode(encoding, array.reshape(rows, columns))))


def reads(t: Tensor) -> list[tuple[int, int]]:
    assert isinstance(t.rows, Recorded)
    return t.rows.reads


def test_only_the_rows_asked_for_are_read() -> None:
    base = tensor(normal(10, 64))
    small = recode(base, Q8_0)
    assert reads(base) == []
    piece = small.rows.read(3, 5)
    assert reads(base) == [(3, 5)]
    assert np.array_equal(piece, encode(Q8_0, normal(10, 64)[3:5]))


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [("F16", "F32", Change.EXACT), ("Q8_0", "F32", Change.EXACT), ("F32", "F64", Change.EXACT),
     ("F32", "F16", Change.RECODED), ("F32", "Q8_0", Change.RECODED), ("Q8_0", "F16", Change.RECODED),
     ("F16", "BF16", Change.RECODED), ("BF16", "F16", Change.RECODED), ("APR_Q4", "F32", Change.EXACT)],
)  # fmt: skip
def test_what_happens_to_the_bytes_is_said(old: str, new: str, change: Change) -> None:
    assert recode(tensor(normal(2, 64), ENCODINGS[old]), ENCODINGS[new]).change is change


def test_moved_rows_that_are_widened_are_exact_and_narrowed_ones_stay_re_encoded() -> None:
    moved = tensor(normal(4, 64), F16).take(np.array([2, 0, 1]))
    assert recode(moved, F32).change is Change.EXACT
    assert recode(recode(moved, Q8_0), F32).change is Change.RECODED


def test_recoding_to_the_same_encoding_is_the_tensor() -> None:
    base = tensor(normal(2, 64))
    assert recode(base, F32) is base


def test_what_was_widened_goes_back_to_its_own_bytes() -> None:
    base = tensor(normal(6, 256), Q8_0)
    back = recode(recode(base, F32), Q8_0)
    assert back.rows is base.rows
    assert back.change is Change.SAME
    assert recode(recode(recode(base, F32), F64), Q8_0).rows is base.rows


def test_widened_rows_that_were_moved_go_back_without_a_second_quantization() -> None:
    base = tensor(normal(6, 64), Q8_0)
    index = np.array([5, 1, 1, 0])
    back = recode(recode(base, F32).take(index), Q8_0)
    assert back.change is Change.MOVED
    assert back.read() == base.take(index).read()
    part = recode(recode(base, F32).slice(2, 4).named("part"), Q8_0)
    assert (part.name, part.read()) == ("part", base.slice(2, 4).read())


def test_a_chain_is_computed_from_the_original() -> None:
    base = tensor(normal(2, 64), Q8_0)
    assert recode(recode(base, F32), F16).read() == encode(F16, values(base, 0, 2)).tobytes()
    narrowed = recode(recode(base, F16), F32)
    assert narrowed.read() == decode(F16, encode(F16, values(base, 0, 2)), 64).tobytes()


def test_recoded_stacks_keep_their_shape() -> None:
    parts = [recode(tensor(normal(4, 64), F16), F32) for _ in range(3)]
    whole = stacked("experts", parts)
    assert whole.shape == (3, 4, 64)
    assert recode(whole, Q8_0).read() == encode(Q8_0, np.concatenate([values(p, 0, 4) for p in parts])).tobytes()


@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 40), (2, 3, 32), (0,), (0, 32)])
@pytest.mark.parametrize("name", ["F16", "F64", "APR_Q4", "APR_Q8"])
def test_every_shape(shape: tuple[int, ...], name: str) -> None:
    base = tensor(normal(*shape))
    other = recode(base, ENCODINGS[name])
    assert other.shape == shape
    assert len(other.read()) == other.nbytes
    assert span(other, 0, other.size).shape == (base.size,)


def test_encodings_that_ignore_rows_cross_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.codecs._rows._PIECE", 64)
    array = normal(7, 40)
    for encoding in (APR_Q4, APR_Q8):
        assert recode(tensor(array), encoding).read() == encode(encoding, array.reshape(1, -1)).tobytes()


@pytest.mark.parametrize("encoding", [APR_Q4, APR_Q8], ids=str)
def test_rows_out_of_encodings_that_ignore_rows(encoding: Encoding) -> None:
    base = tensor(normal(7, 40), encoding)
    want = values(base, 0, 1).reshape(7, 40)
    wide = recode(base, F32)
    assert wide.rows.read(2, 5).view(np.float32).tolist() == want[2:5].tolist()
    assert wide.take(np.array([6, 0])).read() == want[[6, 0]].tobytes()
    assert wide.slice(1, 3).read() == wide.take(np.array([1, 2])).read() == want[1:3].tobytes()
    assert recode(wide, encoding).rows is base.rows


def test_little_is_read_of_a_file_for_a_few_rows(tmp_path: Path) -> None:
    path = tmp_path / "flat"
    path.write_bytes(b"\0" * 7 + encode(APR_Q4, normal(64, 64).reshape(1, -1)).tobytes())
    stored = Tensor.from_file("w", (64, 64), APR_Q4, File(path), 7)
    want = span(tensor(normal(64, 64), APR_Q4), 0, 4096)
    assert span(stored, 1000, 1100).tolist() == want[1000:1100].tolist()


@pytest.mark.parametrize("name", ["F32", "Q8_0", "APR_Q4", "APR_Q8"])
@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 1), (31, 33), (63, 129), (100, 320), (320, 320)])
def test_spans_of_any_encoding(name: str, start: int, stop: int) -> None:
    base = tensor(normal(5, 64), ENCODINGS[name])
    whole = values(base, 0, base.rows.n).reshape(-1)
    assert span(base, start, stop).tolist() == whole[start:stop].tolist()


def test_shifting_adds_in_float32() -> None:
    array = normal(1, 64)
    up = shift(tensor(array), 1.0)
    assert (up.encoding, up.change) == (F32, Change.EXACT)
    assert up.read() == (array + np.float32(1)).tobytes()
    assert shift(tensor(array, F16), -1.0).read() == (array.astype(np.float16).astype(np.float32) - 1).tobytes()


def test_shifting_back_gives_the_original() -> None:
    base = tensor(np.full((64,), 1e-9, np.float32))
    assert shift(shift(base, 1.0), -1.0).rows is base.rows
    half = tensor(normal(64), F16)
    back = shift(shift(half, 1.0), -1.0)
    assert (back.encoding, back.read()) == (F32, recode(half, F32).read())
    assert shift(shift(base, 1.0), 1.0).read() == np.full(64, 2, np.float32).tobytes()


def test_what_cannot_be_recoded_says_so_before_anything_is_read() -> None:
    base = tensor(normal(1, 256))
    with pytest.raises(UsageError, match="NVFP4 cannot be encoded"):
        recode(base, NVFP4)
    with pytest.raises(UnsupportedFile, match="C64"):
        recode(Tensor.from_bytes("c", (1,), ENCODINGS["C64"], bytes(8)), F32)
    assert reads(base) == []


def test_nan_and_overflow_pass_in_silence() -> None:
    odd = np.array([[np.inf, -np.inf, np.nan, 3e38]], np.float32)
    odd[0, 2:3].view(np.uint32)[:] = 0x7F800001  # a signalling NaN
    assert np.isnan(np.frombuffer(shift(tensor(odd), 1.0).read(), np.float32)[2])
    wide = Tensor.from_bytes("w", (1, 1), F64, np.array([1e300]).tobytes())
    for name in ("F32", "F16", "BF16", "APR_Q8"):
        recode(wide, ENCODINGS[name]).read()


def test_a_value_that_an_encoding_cannot_hold_is_blamed_on_its_tensor() -> None:
    tensor = Tensor.from_bytes("ids", (2,), ENCODINGS["U64"], (1 << 63).to_bytes(8, "little") * 2)
    with pytest.raises(UsageError, match="tensor 'ids': some values are not of the type int64"):
        recode(tensor, ENCODINGS["I64"]).read()
