"""Tokens and text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import HubError
from hub_runtime.engine import LoadedModel, load

LONG = "a piece of the vocabulary that is far longer than thirty-two bytes"


@pytest.mark.parametrize("text", ["", "abc", "Grüße, 世界 🌍", "\x00\x01", "a" * 5000])
def test_text_comes_back_from_its_tokens(model: LoadedModel, text: str) -> None:
    tokens = model.vocab.tokenize(text, add_special=False)
    assert len(tokens) == len(text.encode())
    assert b"".join(map(model.vocab.piece, tokens)).decode() == text
    assert model.vocab.detokenize(tokens) == text


def test_a_long_piece_comes_whole(model: LoadedModel) -> None:
    assert model.vocab.tokenize(LONG, add_special=False) == [260]
    assert model.vocab.piece(260) == LONG.encode()


def test_special_tokens_are_read_on_request_and_printed_on_request(model: LoadedModel) -> None:
    vocab = model.vocab
    assert vocab.tokenize("<|user|>", add_special=False) == [258]
    assert len(vocab.tokenize("<|user|>", add_special=False, parse_special=False)) == 8
    assert (vocab.piece(258), vocab.piece(258, special=True)) == (b"", b"<|user|>")
    assert (vocab.bos, vocab.eos, vocab.text(257), vocab.size) == (256, 257, "</s>", 262)
    assert vocab.ends(257)
    assert not vocab.ends(65)


@pytest.mark.parametrize("token", [-1, 262, 2**31 - 1])
def test_a_token_outside_the_vocabulary_is_an_error(model: LoadedModel, token: int) -> None:
    with pytest.raises(HubError, match="262"):
        model.vocab.piece(token)


def test_metadata_and_numbers_are_the_file_s(model: LoadedModel) -> None:
    assert model.metadata["general.architecture"] == "llama"
    assert (model.n_layer, model.n_embd, model.n_ctx_train) == (2, 32, 512)
    assert model.n_params == 262 * 32 * 2 + 32 + 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32 + 64)
    assert model.nbytes == 4 * model.n_params


def test_what_cannot_be_spelled_is_refused(llama: object, make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    assert llama
    words = ["\u2581", *"abc", "\xe4", "<0xC3>", "<0xA9>"]
    with load(make_tiny(tmp_path / "spm.gguf", words=words), gpu_layers=0) as found:
        tokens = found.vocab.tokenize("a b\xe4\xe9", add_special=False)  # the last by its bytes
        assert found.vocab.detokenize(tokens).lstrip() == "a b\xe4\xe9"
        for text in ("abd", "\xfc", "a\n"):
            with pytest.raises(HubError, match="has no token for"):
                found.vocab.tokenize(text)


def test_a_vocabulary_with_all_bytes_spells_everything(
    llama: object, make_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    assert llama
    words = [f"<0x{byte:02X}>" for byte in range(256)]
    with load(make_tiny(tmp_path / "spm.gguf", words=words), gpu_layers=0) as found:
        tokens = found.vocab.tokenize("\u4e16\x00", add_special=False)
        assert b"".join(map(found.vocab.piece, tokens)).decode().removeprefix("\u2581") == "\u4e16\x00"
