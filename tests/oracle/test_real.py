"""Two real models, through our formats, against llama.cpp and transformers.

HUB_SMOLLM2 names SmolLM2-135M-Instruct as a GGUF file, HUB_MINILM the folder of all-MiniLM-L6-v2.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.pipeline import Request, convert
from tests.oracle import compare, script

pytestmark = [pytest.mark.oracle, pytest.mark.llama, pytest.mark.filterwarnings("default")]

CHAT = [
    {"role": "system", "content": "You are terse."},
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": "And 3 + 3?"},
]
SENTENCES = ["A cat sits on the mat.", "Un chat est assis.", "Stock prices fell 3.5% on Tuesday!", "naïve CAFÉ"]


def _named(variable: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    if variable not in os.environ or not path.exists():
        pytest.skip(f"{variable} does not name the model")
    return path


@pytest.fixture(scope="module")
def llama_cpp() -> Any:
    return pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")


@pytest.fixture(scope="module")
def transformers() -> Any:
    torch = pytest.importorskip("torch", reason="torch is not installed: the group `oracle` brings it")
    torch.set_num_threads(1)
    module = pytest.importorskip("transformers", reason="transformers is not installed: the group `oracle` brings it")
    module.utils.logging.disable_progress_bar()
    return module


@pytest.fixture(scope="module")
def smollm2() -> Path:
    return _named("HUB_SMOLLM2")


@pytest.fixture(scope="module")
def smollm2_folder(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source as a folder, with the values of its blocks in F32."""
    folder = tmp_path_factory.mktemp("smollm2") / "folder"
    convert(Request(smollm2, folder, to="safetensors"))
    return folder


@pytest.fixture(scope="module")
def smollm2_f32(smollm2_folder: Path) -> Path:
    """The folder as a GGUF of F32: llama.cpp multiplies it in floating point, as transformers does."""
    target = smollm2_folder.parent / "f32.gguf"
    convert(Request(smollm2_folder, target))
    return target


@pytest.fixture(scope="module")
def source(smollm2: Path, llama_cpp: Any) -> Any:
    return llama_cpp.Llama(str(smollm2), n_ctx=512, n_threads=2, logits_all=True, verbose=False)


@pytest.fixture(scope="module")
def folder_model(smollm2_folder: Path, transformers: Any) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(smollm2_folder, local_files_only=True).eval()


@pytest.fixture(scope="module")
def tokenizer(smollm2_folder: Path, transformers: Any) -> Any:
    return transformers.AutoTokenizer.from_pretrained(smollm2_folder, local_files_only=True)


def _llama_logits(model: Any, ids: Sequence[int]) -> NDArray[np.float32]:
    model.reset()
    model.eval(list(ids))
    return np.array(model.scores[: len(ids)], np.float32)


def _folder_logits(model: Any, ids: Sequence[int]) -> NDArray[np.float32]:
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([list(ids)])).logits[0]
    out: NDArray[np.float32] = logits.numpy()
    return out


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    x, y = a.astype(np.float64), b.astype(np.float64)
    out: NDArray[np.float64] = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    return out


def _prompt(tokenizer: Any) -> list[int]:
    text = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def test_tokens_are_those_of_llama_cpp(tokenizer: Any, source: Any) -> None:
    for text in [t for t in compare.TEXTS if t]:
        theirs = source.tokenize(text.encode(), add_bos=False, special=True)
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == theirs, text
        assert tokenizer.decode(theirs) == source.detokenize(theirs, special=True).decode()


def test_special_tokens_are_those_of_llama_cpp(tokenizer: Any, source: Any) -> None:
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (source.token_bos(), source.token_eos())


def test_chat_template_gives_the_same_text(tokenizer: Any, source: Any, llama_cpp: Any) -> None:
    ends = {"bos_token": tokenizer.bos_token, "eos_token": tokenizer.eos_token}
    template = source.metadata["tokenizer.chat_template"]
    theirs = llama_cpp.llama_chat_format.Jinja2ChatFormatter(template=template, **ends)(messages=CHAT)
    assert tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True) == theirs.prompt


def test_logits_and_greedy_tokens_are_those_of_llama_cpp_on_the_source(
    folder_model: Any, tokenizer: Any, source: Any, exact: Any
) -> None:
    """llama.cpp rounds activations to 8 bits where weights are Q4_1, each machine's kernels in their own way.

    So ours must be as near to what it makes of Q4_1 as what it makes of the same values in F32 is.
    """
    ids = _prompt(tokenizer)
    ours, theirs = _folder_logits(folder_model, ids), _llama_logits(source, ids)
    assert np.abs(_cosines(ours, theirs) - _cosines(_llama_logits(exact, ids), theirs)).max() < 1e-4
    assert _cosines(ours, theirs).mean() > 0.999
    assert _greedy(lambda t: _folder_logits(folder_model, t), ids) == _greedy(lambda t: _llama_logits(source, t), ids)


def _greedy(logits: Any, ids: Sequence[int], steps: int = 8) -> list[int]:
    out = list(ids)
    for _ in range(steps):
        out.append(int(logits(out)[-1].argmax()))
    return out[len(ids) :]


@pytest.fixture(scope="module")
def exact(smollm2_f32: Path, llama_cpp: Any) -> Any:
    """The file that we write in F32, in llama.cpp."""
    f32 = {"type_k": llama_cpp.GGML_TYPE_F32, "type_v": llama_cpp.GGML_TYPE_F32}  # its cache is F16 otherwise
    return llama_cpp.Llama(str(smollm2_f32), n_ctx=512, n_threads=2, logits_all=True, verbose=False, **f32)


def test_file_we_write_in_f32_gives_llama_cpp_the_numbers_of_transformers(
    folder_model: Any, tokenizer: Any, exact: Any
) -> None:
    ids = _prompt(tokenizer)
    ours, theirs = _folder_logits(folder_model, ids), _llama_logits(exact, ids)
    assert _cosines(ours, theirs).min() > 0.999999
    assert (ours.argmax(-1) == theirs.argmax(-1)).all()


def _beside_the_script(folder: Path, scratch: Path, dtype: str) -> compare.Forward:
    sources = script.checkout()
    if sources is None:
        pytest.skip("HUB_LLAMA_CPP does not name a folder of llama.cpp's sources")
    theirs, ours = scratch / "script.gguf", scratch / "ours.gguf"
    assert script.convert([(folder, theirs, dtype, None)], sources) == [None]
    convert(Request(folder, ours))
    return compare.beside(ours, theirs)


@pytest.mark.usefixtures("transformers")
def test_smollm2_folder_as_the_script_writes_it(smollm2_folder: Path, tmp_path: Path) -> None:
    """The script knows the tokenizer by the hash of what it encodes: another proof of the tokenizer.json we made."""
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in smollm2_folder.iterdir():
        if path.name != "hub.json":  # in it stand the keys of the source, which the script does not know
            (plain / path.name).symlink_to(path)
    found = _beside_the_script(plain, tmp_path, "f32")
    assert (found.tensors, found.keys) == ([], [])


@pytest.fixture(scope="module")
def minilm() -> Path:
    return _named("HUB_MINILM")


@pytest.mark.usefixtures("transformers")
def test_minilm_as_the_script_writes_it(minilm: Path, tmp_path: Path) -> None:
    found = _beside_the_script(minilm, tmp_path, "f32")
    assert (found.tensors, found.keys) == ([], [])


def test_minilm_embeddings_of_llama_cpp(minilm: Path, llama_cpp: Any, transformers: Any, tmp_path: Path) -> None:
    target = tmp_path / "minilm.gguf"
    convert(Request(minilm, target))
    model = llama_cpp.Llama(str(target), embedding=True, n_ctx=256, n_threads=2, verbose=False)
    theirs = np.array([model.embed(text, normalize=True) for text in SENTENCES], np.float32)
    assert _cosines(_embeddings(minilm, transformers), theirs).min() > 0.99999


def _embeddings(folder: Path, transformers: Any) -> NDArray[np.float32]:
    import torch

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    with torch.no_grad():
        rows = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in SENTENCES]
    return np.stack([row.numpy() for row in rows])


def test_minilm_through_apr_is_the_same_bytes(minilm: Path, tmp_path: Path) -> None:
    convert(Request(minilm, tmp_path / "minilm.apr"))
    convert(Request(tmp_path / "minilm.apr", tmp_path / "back", to="safetensors"))
    assert list(compare.folder_differences(minilm, tmp_path / "back")) == []
    weights = "model.safetensors"
    assert (tmp_path / "back" / weights).read_bytes() == (minilm / weights).read_bytes()
