from __future__ import annotations

from dataclasses import replace

import pytest

from hub.errors import DamagedFile
from hub_safetensors.tokenizer._sentencepiece import ModelProto, Piece, parse, serialize

MODEL = ModelProto(
    pieces=[Piece("<unk>", 0.0, 2), Piece("<s>", 0.0, 3), Piece("\u2581a", -1.5), Piece("<0x41>", 0.0, 6)],
    model_type=2,
    byte_fallback=True,
    unk_id=0,
    bos_id=1,
    eos_id=-1,
    pad_id=-1,
    charsmap=b"\x00\xff",
    add_dummy_prefix=False,
    remove_extra_whitespaces=False,
)
# One piece "ab" of score -2.5 and type 4, written by hand: tag 1 of the model holds tags 1, 2 and 3 of the piece;
# tag 2 holds the trainer's tag 3 (model type 2), tag 99 is nobody's.
BY_HAND = bytes.fromhex("0a0b 0a026162 15000020c0 1804 12021802 980601")


def test_a_file_written_by_hand() -> None:
    model = parse(BY_HAND, "tokenizer.model")
    assert model.pieces == [Piece("ab", -2.5, 4)]
    assert model.model_type == 2
    assert (model.unk_id, model.bos_id, model.eos_id, model.pad_id) == (0, 1, 2, -1)


def test_what_is_written_is_read() -> None:
    assert parse(serialize(MODEL), "tokenizer.model") == MODEL


def test_every_cut_is_named_or_a_shorter_model() -> None:
    data = serialize(MODEL)
    between = {0}
    for piece in MODEL.pieces:
        between.add(max(between) + len(serialize(ModelProto([piece]))) - len(serialize(ModelProto([]))))
    for end in sorted(set(range(len(data))) - between):
        if end < max(between):
            with pytest.raises(DamagedFile, match=r"tokenizer\.model, byte \d+"):
                parse(data[:end], "tokenizer.model")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "no piece"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "after its message"),
        (b"\x0a\xff\xff", "does not end"),
        (b"\xff" * 12, "does not end"),
        (b"\x0b\x00", "wire type 3"),
        (b"\x08\x01", "a number is there"),
        (b"\x0a\x03\x0a\x01\xff", "not UTF-8"),
        (b"\x0a\x02\x18\x09", "type 9"),
        (b"\x15\x00", "after its message"),
    ],
)
def test_damage_is_named(data: bytes, what: str) -> None:
    with pytest.raises(DamagedFile, match=what):
        parse(data, "tokenizer.model")


@pytest.mark.oracle
def test_sentencepiece_reads_the_same() -> None:
    library = pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    processor = library.SentencePieceProcessor()
    all_bytes = [Piece(f"<0x{value:02X}>", 0.0, 6) for value in range(256)]
    model = replace(MODEL, pieces=[*MODEL.pieces[:3], *all_bytes], charsmap=b"")
    processor.LoadFromSerializedProto(serialize(model))
    assert [processor.IdToPiece(i) for i in range(259)] == [piece.text for piece in model.pieces]
    assert [processor.GetScore(i) for i in range(259)] == [piece.score for piece in model.pieces]
    assert [processor.IsUnknown(0), processor.IsControl(1), processor.IsByte(3)] == [True, True, True]
    assert processor.encode("A") == [3 + ord("A")]
    assert (processor.unk_id(), processor.bos_id(), processor.eos_id()) == (0, 1, -1)
