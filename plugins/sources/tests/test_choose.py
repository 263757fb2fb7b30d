"""Which files of a repository are taken: tables of what lies there, and what is said when nothing fits."""

from __future__ import annotations

import pytest

from hub.errors import DamagedFile, HubError, UnsupportedFile, UsageError
from hub_sources._choose import choose
from hub_sources._quantizations import quantizations
from hub_sources.interface import Wish

QWEN = [f"qwen2.5-0.5b-instruct-{q}.gguf" for q in ("fp16", "q2_k", "q3_k_m", "q4_0", "q4_k_m", "q5_k_m", "q8_0")]
REST = ["README.md", "LICENSE", ".gitattributes"]
SHARDED = [f"model-{n:05}-of-00003.safetensors" for n in (1, 2, 3)]
SPLIT = [f"big-q8_0-{n:05}-of-00002.gguf" for n in (1, 2)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("qwen2.5-0.5b-instruct-q4_k_m.gguf", ["q4_k_m"]),
        ("Llama-3.2-1B.Q4_K_M.gguf", ["q4_k_m"]),
        ("SmolLM2-135M-IQ4_XS.gguf", ["iq4_xs"]),
        ("gpt-oss-20b-UD-Q4_K_XL.gguf", ["ud_q4_k_xl"]),
        ("gpt-oss-20b-MXFP4.gguf", ["mxfp4"]),
        ("model-fp16.gguf", ["f16"]),
        ("model.BF16.gguf", ["bf16"]),
        ("Q8_0/model-00001-of-00002.gguf", ["q8_0"]),
        ("model-TQ1_0.gguf", ["tq1_0"]),
        ("qwen2.5-0.5b-instruct.gguf", []),
        ("seq2seq4_all.gguf", []),
    ],
)
def test_a_quantization_is_read_off_a_name(name: str, found: list[str]) -> None:
    assert quantizations(name) == found


@pytest.mark.parametrize(
    ("names", "wish", "main"),
    [
        (QWEN + REST, Wish("q4_k_m"), "qwen2.5-0.5b-instruct-q4_k_m.gguf"),
        (QWEN + REST, Wish("Q4-K-M"), "qwen2.5-0.5b-instruct-q4_k_m.gguf"),
        (QWEN + REST, Wish("f16"), "qwen2.5-0.5b-instruct-fp16.gguf"),
        (QWEN, Wish(), "qwen2.5-0.5b-instruct-q4_k_m.gguf"),
        (["one.gguf", "mmproj-one-f16.gguf", "one-imatrix.gguf"], Wish(), "one.gguf"),
        (SPLIT, Wish("q8_0"), SPLIT[0]),
        (["model.safetensors", *QWEN], Wish(), "model.safetensors"),
        (["model.safetensors", "x-q8_0.gguf"], Wish(format="gguf"), "x-q8_0.gguf"),
        (["model.safetensors", "consolidated.safetensors"], Wish(), "model.safetensors"),
        (["unet/model.safetensors", "a.apr"], Wish(), "a.apr"),
    ],
)
def test_one_model_is_chosen(names: list[str], wish: Wish, main: str) -> None:
    assert choose(names, wish, None, "hf://o/r").main == main


def test_a_choice_that_nobody_asked_for_is_said() -> None:
    (note,) = choose(QWEN, Wish(), None, "hf://o/r").notes
    assert note.startswith("qwen2.5-0.5b-instruct-q4_k_m.gguf is one of 7")
    assert note.endswith("f16, q2_k, q3_k_m, q4_0, q4_k_m, q5_k_m, q8_0")


def test_shards_and_companions_come_together() -> None:
    aside = ["pytorch_model.bin", "onnx/config.json", "pytorch_model.bin.index.json", "modeling.py", ".gitattributes"]
    own = ["model.safetensors.index.json", "config.json", "tokenizer.json", "tokenizer.model", "chat_template.jinja"]
    own += ["README.md", "LICENSE.txt", "1_Pooling/config.json", "vocab.bpe", "merges.txt"]
    choice = choose([*aside, *own, *SHARDED], Wish(), None, "hf://o/r")
    assert choice.folder
    assert set(choice.files) == {*SHARDED, *own}
    assert choice.notes == ()
    assert choose(SHARDED, Wish(), None, "hf://o/r").notes == (
        "there is no config.json and no tokenizer beside the weights",
    )
    assert choose(SPLIT + REST, Wish(), None, "hf://o/r").files == tuple(SPLIT)


def test_signatures_come_along() -> None:
    one = choose(["a.gguf", "a.gguf.sig", "b.sig", "README.md"], Wish(), None, "hf://o/r")
    assert one.files == ("a.gguf", "a.gguf.sig")
    names = ["model.safetensors", "model.sig", "config.json", "pytorch_model.bin", "sub/.gitattributes"]
    whole = choose([*names, ".gitattributes"], Wish(), None, "hf://o/r")  # which the Hub makes, and nobody signs
    assert set(whole.files) == set(names)
    assert whole.notes == ("model.sig signs 4 files, so all of them come",)
    assert "does not come" in choose(["a.gguf", "model.sig"], Wish(), None, "hf://o/r").notes[0]


def test_a_quantization_nobody_made_is_made_of_the_original() -> None:
    choice = choose(["model.safetensors", "x-q8_0.gguf"], Wish("q4_k_m", encodes=True), None, "hf://o/r")
    assert (choice.main, choice.encode) == ("model.safetensors", "q4_k_m")


@pytest.mark.parametrize(
    ("names", "wish", "inside", "error", "said"),
    [
        (QWEN, Wish("q4_k_s"), None, UsageError, "has no q4_k_s; it has f16, q2_k, q3_k_m, q4_0, q4_k_m, q5_k_m, q8_0"),
        (["model.safetensors"], Wish("q4_k_m"), None, UsageError, "hub import makes one: -o NAME.gguf"),
        (["a-q8_0.gguf", "b-q8_0.gguf"], Wish("q8_0"), None, UsageError, "2 models are q8_0: a-q8_0.gguf, b-q8_0.gguf"),
        (["a.gguf", "b.gguf"], Wish(), None, UsageError, "has 2 models: a.gguf, b.gguf; name one of them"),
        (["pytorch_model.bin", "config.json"], Wish(), None, UnsupportedFile, "as pickle only (pytorch_model.bin)"),
        (["pytorch_model.bin", "a.gguf"], Wish(), "pytorch_model.bin", UnsupportedFile, "can run code"),
        (["model.onnx"], Wish(), None, UnsupportedFile, "holds no model that an installed"),
        ([], Wish(), None, UnsupportedFile, "no file"),
        (SHARDED[:2], Wish(), None, DamagedFile, "1 parts of the model are not there: model-00003-of-00003"),
        (QWEN, Wish(), "qwen2.5-0.5b-instruct-q4_k.gguf", UsageError, "it has qwen2.5-0.5b-instruct-q4_"),
        (["a.gguf", "README.md"], Wish(), "README.md", UnsupportedFile, "is no model"),
        (["a.gguf"], Wish("q8_0"), "a.gguf", UsageError, "--quantization has no effect"),
        (["../a.gguf"], Wish(), None, UnsupportedFile, "would lie outside"),
        (["/etc/a.gguf"], Wish(), None, UnsupportedFile, "would lie outside"),
        (["a\\..\\b.gguf"], Wish(), None, UnsupportedFile, "would lie outside"),
    ],
)  # fmt: skip
def test_what_cannot_be_chosen_is_said(
    names: list[str], wish: Wish, inside: str | None, error: type[HubError], said: str
) -> None:
    with pytest.raises(error) as caught:
        choose(names, wish, inside, "hf://o/r")
    assert said in str(caught.value)


def test_a_name_that_claims_a_hundred_thousand_parts_takes_no_time() -> None:
    with pytest.raises(DamagedFile, match="parts of the model"):
        choose(["m-00001-of-09999.gguf"], Wish(), None, "hf://o/r")
    assert choose(["m-00001-of-99999.gguf"], Wish(), None, "hf://o/r").files == ("m-00001-of-99999.gguf",)
