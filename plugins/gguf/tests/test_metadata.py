"""The general.* keys, against the ones that gguf's own Metadata class and writer make of the same card."""

import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from hub.errors import DamagedFile
from hub.ir import ENCODINGS, Config, Model
from hub_gguf._metadata import file_type, general_keys, read_metadata

TENSORS = [("token_embd.weight", (49152, 576)), ("blk.0.ffn_up_exps.weight", (4, 1536, 576))]
TOTAL = 49152 * 576 + 4 * 1536 * 576

CARDS: list[dict[str, Any]] = [
    {},
    {"license": "apache-2.0", "language": ["en", "no"], "tags": ["a", "b"], "pipeline_tag": "text-generation"},
    {"license": ["mit", "other"], "license_name": "x", "license_link": "https://example.com", "language": "en"},
    {"base_model": "org/tiny-7B-chat", "datasets": ["org/set-v1", "https://huggingface.co/a/b-2", "https://x.org/x"]},
    {"base_models": ["https://huggingface.co/a/b/c", "plain", {"name": "n", "author": "me", "repo_url": "u"}]},
    {"model_name": "Given", "model_creator": "Me", "model_type": "llama", "url": "u", "tags": "one", "dataset": "x"},
    {"name": "Given", "author": "A", "version": "v1", "organization": "O", "finetune": "F", "basename": "B",
     "size_label": "9B", "doi": "1", "uuid": "2", "repo_url": "3", "tags": [], "datasets": []},
]  # fmt: skip
CONFIGS: list[dict[str, Any]] = [
    {}, {"_name_or_path": "org/Model-7B-v0.2-chat"}, {"_name_or_path": "/home/me/model"}, {"_name_or_path": "local"},
]  # fmt: skip
GENERATION = {
    "temperature": 0.6, "top_p": 0.9, "top_k": 20, "penalty_repeat": 1.1, "min_p": 0, "do_sample": True,
    "eos_token_id": [1, 2], "mirostat": 2, "mirostat_tau": 5.0, "sequence": "kt", "xtc_threshold": None,
}  # fmt: skip


class Recorder(gguf.GGUFWriter):
    """gguf's writer, keeping what it is told."""

    def __init__(self) -> None:
        self.told: dict[str, tuple[str, Any]] = {}

    def add_key_value(self, key: str, val: Any, vtype: gguf.GGUFValueType, sub_type: Any = None) -> None:
        self.told[key] = (vtype.name, val)


def _theirs(card: dict[str, Any], config: dict[str, Any], folder: Path) -> dict[str, tuple[str, Any]]:
    own = json.loads(json.dumps(card))  # gguf appends to the lists it is given
    filled = gguf.Metadata.apply_metadata_heuristic(gguf.Metadata(), own, config, folder, TOTAL)
    (folder / "generation_config.json").write_text(json.dumps(GENERATION))
    loaded = gguf.Metadata.load(model_path=folder)
    for name, value in vars(loaded).items():
        if name.startswith("sampling_"):
            setattr(filled, name, value)
    filled.size_label = filled.size_label or gguf.size_label(TOTAL, 49152 * 576, 1536 * 576, 4)
    writer = Recorder()
    filled.set_gguf_meta_model(writer)
    return writer.told


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("config", CONFIGS)
def test_keys_types_values_and_order_are_those_of_gguf(
    card: dict[str, Any], config: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "my-model-3B-instruct"
    folder.mkdir()
    files = {"generation_config.json": json.dumps(GENERATION).encode()}
    model = Model({}, Config(config), metadata=card, path=folder, files=files)
    ours = {k: (v.type.name, v.data) for k, v in general_keys(model, TENSORS).items()}
    assert ours.pop("general.type") == ("STRING", "model")
    theirs = _theirs(card, config, folder)
    assert ours == theirs
    assert list(ours) == list(theirs)


def test_the_usual_name_of_the_repetition_penalty_counts() -> None:
    """The converter's newer gguf reads it; the one on the index does not yet."""
    files = {"generation_config.json": b'{"repetition_penalty": 1.5}'}
    assert general_keys(Model({}, files=files), TENSORS)["general.sampling.penalty_repeat"].data == 1.5


def test_name_known_from_the_configuration_is_not_taken_for_a_card(tmp_path: Path) -> None:
    model = Model({}, Config({"_name_or_path": "org/tiny-1B"}), metadata={"name": "tiny-1B"}, path=tmp_path)
    assert general_keys(model, TENSORS)["general.name"].data == "Tiny 1B"


@pytest.mark.parametrize("value", [[], {}, "x", True, [1], 10**40, float("inf"), float("nan")])
def test_a_sampling_parameter_that_is_no_number_is_left_out(value: Any) -> None:
    stated = dict.fromkeys(("temperature", "top_k", "min_p"), value)
    files = {"generation_config.json": json.dumps({**stated, "top_p": 0.5}).encode()}
    keys = general_keys(Model({}, files=files), TENSORS)
    assert [key for key in keys if key.startswith("general.sampling.")] == ["general.sampling.top_p"]


def test_a_files_extension_is_no_part_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "tiny-1.5B.apr").touch()
    for path in (tmp_path / "tiny-1.5B.apr", tmp_path / "tiny-1.5B"):
        assert general_keys(Model({}, path=path), TENSORS)["general.name"].data == "Tiny 1.5B"


def test_the_file_of_sampling_parameters_outweighs_what_another_gguf_said() -> None:
    metadata = {"generation": {"temperature": 0.5, "top_k": 20}}
    files = {"generation_config.json": b'{"temperature": 0.25}'}
    edited = general_keys(Model({}, metadata=metadata, files=files), TENSORS)
    assert {k: v.data for k, v in edited.items() if "sampling" in k} == {"general.sampling.temp": 0.25}
    kept = general_keys(Model({}, metadata=metadata), TENSORS)
    assert {k: v.data for k, v in kept.items() if "sampling" in k} == {
        "general.sampling.top_k": 20, "general.sampling.temp": 0.5,
    }  # fmt: skip


def test_broken_generation_config_stops_nothing() -> None:
    for broken in (b"{", b"[1]", b"[" * 100_000, b"\xff"):
        model = Model({}, metadata={"name": "n"}, files={"generation_config.json": broken})
        assert "general.sampling.top_k" not in general_keys(model, TENSORS)


def test_what_is_written_reads_back() -> None:
    card = {
        "name": "Given", "author": "A", "license": "mit", "license_name": "x", "language": ["en"], "tags": ["t"],
        "base_model": ["org/base"], "datasets": ["org/set"], "size_label": "1B", "repo_url": "3",
    }  # fmt: skip
    model = Model({}, metadata=card, files={"generation_config.json": json.dumps(GENERATION).encode()})
    kv = {k: v.plain for k, v in general_keys(model, TENSORS).items()} | {"general.file_type": 15}
    back = read_metadata(kv)
    assert back.pop("generation") == {
        "sequence": "kt", "top_k": 20, "top_p": 0.9, "min_p": 0.0, "temperature": 0.6, "repetition_penalty": 1.1,
        "mirostat": 2, "mirostat_tau": 5.0,
    }  # fmt: skip
    assert back.pop("quantization") == "Q4_K_M"
    assert back == card


def test_pooling_is_named_as_sentence_transformers_does() -> None:
    assert read_metadata({"general.architecture": "bert", "bert.pooling_type": 2}) == {"pooling": "cls"}
    assert read_metadata({"general.architecture": "bert", "bert.pooling_type": 0}) == {}


def test_a_count_beyond_the_file_is_refused() -> None:
    with pytest.raises(DamagedFile, match=r"general\.base_model\.count"):
        read_metadata({"general.base_model.count": 2**31})


def test_file_type_follows_the_matrices() -> None:
    f32, q4, f16 = ENCODINGS["F32"], ENCODINGS["Q4_K"], ENCODINGS["F16"]
    assert file_type([(f32, (4096,)), (q4, (64, 256)), (f32, (8, 256))]) == gguf.LlamaFileType.MOSTLY_Q4_K_M
    assert file_type([(f16, (64, 64)), (f32, (64,))]) == gguf.LlamaFileType.MOSTLY_F16
    assert file_type([(f32, (64,))]) == gguf.LlamaFileType.ALL_F32
    assert file_type([]) == gguf.LlamaFileType.ALL_F32
