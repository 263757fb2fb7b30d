from pathlib import Path
from typing import Any

import pytest

from hub.errors import UsageError
from hub_runtime.server import config_of
from hub_runtime.server._keys import Keys


def configured(tmp_path: Path, text: str, **flags: Any) -> Any:
    file = tmp_path / "server.toml"
    file.write_text(text)
    return config_of(flags, file)


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    text = 'models = ["a.gguf", "/b/c.apr"]\nport = 9000\nparallel = 8\napi-key-file = "keys"\ndrain-timeout = 2'
    made = configured(tmp_path, text, port=9001, models=None, queue=None)
    assert made.models == (tmp_path / "a.gguf", Path("/b/c.apr"))
    assert (made.port, made.parallel, made.queue, made.drain_timeout) == (9001, 8, 64, 2.0)
    assert made.api_key_file == tmp_path / "keys"
    assert made.names == ["a", "c"]


def test_a_single_model_needs_no_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="models"):
        configured(tmp_path, "port = 1")
    assert config_of({"models": [Path("a.gguf")]}, None).names == ["a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "no setting 'prot'"),
        ("drain_timeout = 1", "no setting 'drain_timeout'"),
        ("[server]\nport = 1", "no setting 'server'"),
        ("port = 70000", "port"),
        ('port = "http"', "port"),
        ("parallel = 0", "parallel"),
        ("gpu = true\ngpu-layers = 0", "contradict"),
        ("port = ", "not TOML"),
    ],
)
def test_what_is_no_setting_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        configured(tmp_path, text, models=[Path("a.gguf")])


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two models are called a"):
        config_of({"models": [Path("x/a.gguf"), Path("y/a.apr")]}, None)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        config_of({}, tmp_path / "none.toml")


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n\n", b"\xff\xfe"])
def test_keys_that_cannot_be_read_stop_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        Keys.read(file)
    assert str(file) in str(caught.value)


def test_without_keys_everybody_may_come_in() -> None:
    assert Keys.read(None).admits(None)
    assert not Keys(["a"]).admits(None)
    assert not Keys(["a"]).admits("Bearer")
    assert Keys(["a", "é"]).admits("bearer é")
