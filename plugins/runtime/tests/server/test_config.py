from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from hub.errors import UsageError
from hub_runtime.commands.serve import serve
from hub_runtime.engine import Adapter
from hub_runtime.server import Config, config_of
from hub_runtime.server._keys import Keys


def configured(tmp_path: Path, text: str, **flags: Any) -> Any:
    file = tmp_path / "server.toml"
    file.write_text(text)
    return config_of(flags, file)


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    text = 'models = ["a.gguf", "/b/c.apr"]\nport = 9000\nparallel = 8\napi-key-file = "keys"\ndrain-timeout = 2'
    made = configured(tmp_path, text, port=9001, models=None, queue=None)
    assert [model.path for model in made.models] == [tmp_path / "a.gguf", Path("/b/c.apr")]
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
        ('bridge = "disk"', "bridge"),
        ("port = ", "not TOML"),
    ],
)
def test_what_is_no_setting_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        configured(tmp_path, text, models=[Path("a.gguf")])


def test_every_flag_is_a_key_and_every_key_a_flag() -> None:
    flags = signature(serve).parameters.keys() - {"config"}
    assert {name.replace("_", "-") for name in flags} == {field.alias for field in Config.model_fields.values()}


def test_what_to_load_is_as_for_run(tmp_path: Path) -> None:
    text = 'models = ["a.apr"]\nlora = ["x.gguf=0.5"]\nbridge = "memory"\nassume = ["a=1"]\npre = "gpt-2"\ngpu = false'
    made = configured(tmp_path, text)
    wanted = made.wanted(made.models[0].path)
    assert wanted.lora == [Adapter(tmp_path / "x.gguf", 0.5)]
    assert (wanted.path, wanted.bridge, wanted.assume) == (tmp_path / "a.apr", "memory", ("a=1",))
    assert (wanted.pre, wanted.gpu_layers) == ("gpt-2", 0)
    assert Config.model_validate_json(made.model_dump_json(by_alias=True)) == made, "replicas get it this way"
    for one in ("lora", "assume"):
        with pytest.raises(UsageError, match="one model"):
            configured(tmp_path, f'models = ["a.apr", "b.apr"]\n{one} = ["x"]')


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two models are called a"):
        config_of({"models": [Path("x/a.gguf"), Path("y/a.apr")]}, None)


def test_models_can_be_given_names(tmp_path: Path) -> None:
    text = 'models = ["small=a.gguf", {path = "b/a.gguf", name = "large:8b"}, {path = "/c/a.gguf"}]'
    made = configured(tmp_path, text)
    assert made.names == ["small", "large:8b", "a"]
    assert [m.path for m in made.models] == [tmp_path / "a.gguf", tmp_path / "b/a.gguf", Path("/c/a.gguf")]
    assert Config.model_validate_json(made.model_dump_json(by_alias=True)) == made, "replicas get it this way"
    given = config_of({"models": ["x=m.gguf", "m.apr", "m/n=o.gguf"]}, None)
    assert given.names == ["x", "m", "n=o"]
    (tmp_path / "y=1.gguf").touch()
    assert config_of({"models": [str(tmp_path / "y=1.gguf")]}, None).names == ["y=1"]


@pytest.mark.parametrize("model", ['{name = "a"}', '{path = "a", name = "a b"}', '{path = "a", nmae = "b"}', "3"])
def test_a_model_that_is_none_is_told(tmp_path: Path, model: str) -> None:
    with pytest.raises(UsageError, match="models"):
        configured(tmp_path, f"models = [{model}]")


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
