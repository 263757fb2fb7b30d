"""`hub convert --target wasm --optimize-size` from the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

WASM = ("--target", "wasm", "--optimize-size")


def test_a_model_is_made_small_for_a_page(document: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    code, said = document("convert", folder, tmp_path / "a.apr", *WASM, "--pre", "gpt-2", "--force")
    assert (code, said["verified"]) == (0, True)
    changed = [t for t in said["tensors"] if t["outcome"] == "re-encoded"]
    assert changed
    assert all(t["rmse"] > 0 and t["reason"].startswith("--optimize-size") for t in changed)
    assert any("how a page turns it into gguf" in note for note in said["notes"])
    assert (tmp_path / "a.apr").stat().st_size < (folder / "model.safetensors").stat().st_size


def test_what_has_no_effect_is_an_error(hub: Callable[..., Any], models: dict[str, Path], tmp_path: Path) -> None:
    for words, says in (
        (("a.apr", "--optimize-size"), "--optimize-size has no effect without --target"),
        (("a.apr", *WASM, "--encode", "q8_0"), "both say the encodings"),
        (("a.gguf", "--target", "wasm"), "--target has no effect on gguf"),
        (("a.apr", "--target", "cuda"), "there is wasm"),
        (("a.apr", "--target", "wasm", "--compression", "zstd"), "a page would have to unpack"),
    ):
        ran = hub("convert", models["gguf"], tmp_path / words[0], *words[1:])
        assert (ran.code, says in ran.err) == (2, True), (words, ran.err)
    assert not list(tmp_path.iterdir())
