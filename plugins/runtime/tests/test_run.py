"""`hub run`, one prompt and many."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Hub = Callable[..., Any]
Document = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("llama")


def test_the_text_alone_goes_to_stdout(hub: Hub, tiny: Path) -> None:
    quiet = hub("run", tiny, "-p", "Hello", "-n", 9, "--quiet")
    assert (quiet.code, quiet.err) == (0, "")
    told = hub("run", tiny, "--prompt", "Hello", "--max-tokens", 9)
    assert (told.code, told.out) == (0, quiet.out)
    assert told.err.startswith("8 + 9 tokens (length), prompt in the chat template, ")
    raw = hub("run", tiny, "-p", "Hello", "-n", 9, "--raw")
    assert raw.err.startswith("5 + 9 tokens (length), prompt as it stands, ")
    assert raw.out != told.out
    assert hub("run", tiny, "Hello", "-n", 9, "-q", "--stream").out == quiet.out


def test_every_format_says_the_same(hub: Hub, tiny: Path, tiny_apr: Path, tmp_path: Path) -> None:
    assert hub("convert", tiny, tmp_path / "folder").code == 0
    options = ("-p", "Same", "-n", 20, "--seed", 42, "--quiet")
    texts = {hub("run", source, *options).out for source in (tiny, tiny_apr, tmp_path / "folder")}
    assert len(texts) == 1
    hot = (*options, "--temperature", 1.2)
    assert hub("run", tiny_apr, *hot).out == hub("run", tiny, *hot).out not in texts


def test_the_first_conversion_is_said_and_the_second_start_has_none(hub: Hub, tiny_apr: Path) -> None:
    assert "made into GGUF" in hub("run", tiny_apr, "x", "-n", 1).err
    assert "made into GGUF" not in hub("run", tiny_apr, "x", "-n", 1).err


def test_the_document_says_everything(document: Document, tiny: Path) -> None:
    said = document("run", "run", tiny, "-p", "Hello", "-n", 9, "--temperature", 0.5, "--top-p", 0.9, "--seed", 7)
    assert (said["model"], said["format"], said["prompt"]) == (str(tiny), "gguf", "Hello")
    assert (said["template"], said["prompt_tokens"], said["generated_tokens"], len(said["tokens"])) == (True, 8, 9, 9)
    assert (said["seed"], said["settings"]["top_p"], said["finish"]) == (7, 0.9, "length")
    again = document("run", "run", tiny, "-p", "Hello", "-n", 9, "--temperature", 0.5, "--top-p", 0.9, "--seed", 7)
    assert again["tokens"] == said["tokens"]


def test_a_prompt_comes_from_stdin(hub: Hub, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = hub("run", tiny, "-p", "piped in", "-n", 5, "-q").out
    for arguments in ((), ("-p", "-"), ("-",)):
        monkeypatch.setattr(sys, "stdin", io.StringIO("piped in"))
        assert hub("run", tiny, *arguments, "-n", 5, "-q").out == given


def test_stop_strings_and_grammars_shape_the_text(hub: Hub, document: Document, tiny: Path, tmp_path: Path) -> None:
    text = document("run", "run", tiny, "-p", "Stop", "-n", 30)["text"]
    cut = document("run", "run", tiny, "-p", "Stop", "-n", 30, "--stop", text[5:7])
    assert (cut["finish"], cut["stopped"], cut["text"]) == ("stop", text[5:7], text[: text.index(text[5:7])])
    (tmp_path / "yes.gbnf").write_text('root ::= "yes" | "no"')
    assert hub("run", tiny, "x", "--grammar", tmp_path / "yes.gbnf", "-q").out in ("yes\n", "no\n")
    out = hub("run", tiny, "x", "--json-schema", '{"enum": ["red", "green"]}', "-q").out
    assert json.loads(out) in ("red", "green")


def test_a_prompt_goes_through_the_model_s_template(document: Document, tiny: Path) -> None:
    templated = document("run", "run", tiny, "-p", "Hi", "-n", 5)
    spelled = document("run", "run", tiny, "-p", "<s><|user|>Hi<|assistant|>", "-n", 5, "--raw")
    assert (templated["template"], spelled["template"]) == (True, False)
    assert (templated["tokens"], templated["prompt_tokens"]) == (spelled["tokens"], spelled["prompt_tokens"])
    system = document("run", "run", tiny, "-p", "Hi", "-n", 5, "--system", "Be kind.")
    again = document("run", "run", tiny, "-p", "<s>Be kind.<|user|>Hi<|assistant|>", "-n", 5, "--raw")
    assert system["tokens"] == again["tokens"] != templated["tokens"]


def test_a_model_without_a_template_completes(
    hub: Hub, document: Document, make_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    plain = make_tiny(tmp_path / "plain.gguf", template=None)
    said = document("run", "run", plain, "-p", "Hi", "-n", 5)
    assert (said["template"], said["prompt_tokens"]) == (False, 2)
    for flags in (("--raw",), ("--system", "Be kind.")):
        ran = hub("run", plain, "-p", "Hi", *flags)
        assert (ran.code, f"{flags[0]} has no effect" in ran.err) == (2, True)


def test_a_template_that_refuses_says_how_to_do_without(
    hub: Hub, make_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    strict = make_tiny(tmp_path / "strict.gguf", template="{{ raise_exception('a system message is needed') }}")
    ran = hub("run", strict, "-p", "Hi")
    assert ran.code == 2
    assert "a system message is needed" in ran.err
    assert "--raw" in ran.err
    assert hub("run", strict, "-p", "Hi", "-n", 3, "--raw").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", "-p", "y"), "twice"),
        (("x", "--top-p", 0.5), "--top-p has no effect at temperature 0"),
        (("x", "--top-k", 5), "--top-k has no effect"),
        (("x", "--min-p", 0.5), "--min-p has no effect"),
        (("x", "--json", "--stream"), "--stream has no effect"),
        (("x", "--json", "--quiet"), "--quiet has no effect"),
        (("x", "--system", "be", "--raw"), "--system has no effect"),
        (("x", "--parallel", 2), "--parallel has no effect"),
        (("x", "--gpu-layers", 3, "--no-gpu"), "contradicts"),
        (("x", "--gpu", "--gpu-layers", 0), "contradicts"),
        (("x", "--bridge", "disk"), "cache or memory"),
        (("x", "--bridge", "memory"), "no effect on a GGUF"),
        (("x", "--assume", "a=1"), "no effect on a GGUF"),
        (("x", "--temperature", -1), "temperature must be"),
        (("x", "--max-tokens", 0), "max-tokens"),
        (("x", "--ctx", 2), "the prompt has 4 tokens, the context holds 2"),
        (("x" * 600, "--raw"), "the prompt has 600 tokens, the context holds 512"),
        (("x" * 300, "--raw", "--ctx", 256), "the prompt has 300 tokens, the context holds 256"),
        (("x", "--ctx", 4096), "4096 positions are more than the 512 that the model was trained for"),
        (("x", "--gpu-layers", "some"), "--gpu-layers is a number, all or auto, not 'some'"),
        (("x", "--repeat-last-n", 3), "--repeat-last-n has no effect without --repeat-penalty"),
        (("x", "--grammar", "nowhere.gbnf"), "nowhere.gbnf: --grammar: No such file"),
        (("x", "--lora", "nowhere.gguf"), "nowhere.gguf"),
        (("", "--raw"), "empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_code_2(
    hub: Hub, tiny: Path, arguments: tuple[object, ...], said: str
) -> None:
    ran = hub("run", tiny, *arguments, "-n", 1) if "--max-tokens" not in arguments else hub("run", tiny, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_gpu_that_is_not_there_is_an_error(hub: Hub, tiny: Path) -> None:
    from hub_runtime.engine import devices

    if any(device.kind == "gpu" for device in devices()):
        pytest.skip("there is a GPU here")
    for flags in (("--gpu",), ("--gpu-layers", 1), ("-ngl", "all")):
        ran = hub("run", tiny, "x", *flags)
        assert (ran.code, "no GPU" in ran.err) == (2, True)
    assert hub("run", tiny, "x", "-n", 1, "--no-gpu", "-q").code == 0


def test_errors_name_the_file_that_was_given_and_not_what_was_made_of_it(hub: Hub, tiny_apr: Path) -> None:
    ran = hub("run", tiny_apr, "x", "--ctx", 4096, "--quiet")
    assert ran.err.startswith(f"hub: error: {tiny_apr}: 4096 positions")


def test_a_damaged_file_is_refused_by_hub(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny.read_bytes()[:3000])
    ran = hub("run", damaged, "x")
    assert (ran.code, ran.out) == (2, "")
    assert str(damaged) in ran.err
    assert "llama" not in ran.err.lower()


def test_a_batch_gives_every_answer_in_order(document: Document, hub: Hub, tiny: Path, tmp_path: Path) -> None:
    lines = [
        "first prompt",
        '{"prompt": "second", "max_tokens": 3}',
        "",
        '{"prompt": "third", "repeat_penalty": 2, "seed": 5}',
    ]
    lines += [f"number {n}" for n in range(9)]
    (tmp_path / "prompts.txt").write_text("\n".join(lines))
    said = document("batch", "run", tiny, "--batch", tmp_path / "prompts.txt", "-n", 8)
    assert [a["prompt"] for a in said["answers"]][:3] == ["first prompt", "second", "third"]
    assert [a["generated_tokens"] for a in said["answers"]] == [8, 3, *[8] * 10]
    assert said["answers"][2]["seed"] == 5
    for answer in (said["answers"][0], said["answers"][-1]):
        assert answer["tokens"] == document("run", "run", tiny, "-p", answer["prompt"], "-n", 8)["tokens"]
    two = hub("run", tiny, "--batch", tmp_path / "prompts.txt", "-n", 8, "--parallel", 2, "--quiet")
    assert two.out == "".join(a["text"] + ("" if a["text"].endswith("\n") else "\n") for a in said["answers"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": "x"', "line 2 is not JSON"),
        ('{"max_tokens": 3}', "line 2: 'prompt' is missing"),
        ('{"prompt": "x", "heat": 3}', "line 2: 'heat' is no setting"),
        ('{"prompt": 3}', "line 2: 'prompt' is a int; str was expected"),
        ('{"prompt": "x", "seed": true}', "line 2: 'seed' is a bool"),
        ('{"prompt": "x", "temperature": -1}', "line 2: temperature must be"),
        ('{"prompt": "x", "stop": [1]}', "line 2: 'stop'"),
    ],
)
def test_a_batch_line_that_is_wrong_is_named(hub: Hub, tiny: Path, tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "prompts.txt").write_text(f"fine\n{line}\n")
    ran = hub("run", tiny, "--batch", tmp_path / "prompts.txt")
    assert (ran.code, said in ran.err) == (2, True), ran.err


def test_an_empty_batch_is_an_error(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    assert "nowhere: the prompts cannot be read" in hub("run", tiny, "--batch", "nowhere").err
    (tmp_path / "prompts.txt").write_text("\n\n")
    assert hub("run", tiny, "--batch", tmp_path / "prompts.txt").code == 2
    (tmp_path / "prompts.txt").write_text("a\n")
    assert hub("run", tiny, "x", "--batch", tmp_path / "prompts.txt").code == 2


def test_check_runs_the_model_in_its_last_stage(hub: Hub, tiny: Path, tiny_apr: Path) -> None:
    for path in (tiny, tiny_apr):
        stages = json.loads(hub("check", path, "--json").out)["stages"]
        assert stages[-1]["outcome"] == "PASS"
        assert "top-1 token" in stages[-1]["detail"]


def test_check_fails_a_model_that_computes_nonsense(hub: Hub, make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    ran = hub("check", make_tiny(tmp_path / "nan.gguf", scale=float("nan")), "--json")
    last = json.loads(ran.out)["stages"][-1]
    assert (ran.code, last["outcome"]) == (1, "FAIL")
    assert "logits are not finite" in last["detail"]
