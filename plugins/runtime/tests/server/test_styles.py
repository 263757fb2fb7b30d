import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub_runtime.engine import ChatTemplate, LoadedModel, Request, Settings, Slots, generate
from hub_runtime.server.tools import STYLES, CallReader, Style, taught
from hub_runtime.server.tools._grammar import grammar_of

# What llama.cpp's collection of templates teaches; of those not named here, none of the styles.
TAUGHT = {
    "Hermes, Qwen 2.5, Qwen 3": [
        "Bielik-11B-v3.0-Instruct", "MiMo-VL", "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use",
        "NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "Qwen-QwQ-32B", "Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B",
        "Reka-Edge", "ibm-granite-granite-4.0", "ibm-granite-granite-4.1",
    ],
    "Qwen 3 Coder": ["NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "Qwen3-Coder", "Qwen3.5-4B", "StepFun3.5-Flash"],
    "GLM 4.6": [
        "GLM-4.6", "GLM-4.7-Flash", "Spark2.5", "inclusionai-ling-3.0-flash", "poolside-Laguna-S-2.1",
        "poolside-Laguna-XS-2.1", "poolside-Laguna-XS.2",
    ],
    "Mistral Nemo": ["mistralai-Mistral-Nemo-Instruct-2407"],
    "Mistral Small 3.2": ["Mistral-Small-3.2-24B-Instruct-2506"],
    "Devstral, Ministral 3": ["mistralai-Ministral-3-14B-Reasoning-2512", "unsloth-mistral-Devstral-Small-2507"],
    "DeepSeek V3.1": ["deepseek-ai-DeepSeek-V3.1"],
    "DeepSeek R1": ["deepseek-ai-DeepSeek-R1-Distill-Qwen-32B"],
    "DeepSeek V3.2": ["deepseek-ai-DeepSeek-V3.2"],
    "DeepSeek V4": ["deepseek-ai-DeepSeek-V4", "deepseek-ai-DeepSeek-V4-Flash-0731"],
    "Kimi K2": ["moonshotai-Kimi-K2"],
    "MiniMax M2": ["MiniMax-M2"],
    "MiniMax M1": ["MiniMax-M1"],
    "Apriel": ["Apriel-1.6-15b-Thinker-fixed", "unsloth-Apriel-1.5"],
    "Nemotron Nano 2": ["NVIDIA-Nemotron-Nano-v2"],
    "Seed OSS": ["ByteDance-Seed-OSS"],
    "Command R7B": ["Cohere2MoE", "CohereForAI-c4ai-command-r7b-12-2024-tool_use"],
    "Solar Open": ["upstage-Solar-Open-100B"],
    "MiniCPM 5": ["openbmb-MiniCPM5-1B"],
    "Functionary 3.1": ["meetkai-functionary-medium-v3.1"],
    "GigaChat 3.1": ["GigaChat3.1-10B-A1.8B"],
    "Llama 3": [f"meta-llama-Llama-{n}-Instruct" for n in ("3.1-8B", "3.2-3B", "3.3-70B")],
}  # fmt: skip


def test_the_templates_of_real_models_are_understood() -> None:
    folder = Path(os.environ.get("HUB_LLAMA_CPP", "/nonexistent")) / "models" / "templates"
    if not folder.is_dir():
        pytest.skip(
            "HUB_LLAMA_CPP does not name a folder of llama.cpp's sources (vendor/llama.cpp of llama-cpp-python)"
        )
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.jinja"), key=lambda p: p.stem):
        style = taught(ChatTemplate(path.read_text("utf-8"), {"bos_token": "<s>", "eos_token": "</s>"})).style
        for name in [name for name, known in STYLES.items() if known is style]:
            found.setdefault(name, []).append(path.stem)
    assert found == TAUGHT


PRINTED = (
    "{{ tools }}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}"
    "[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments }}{% endfor %}{% endfor %}"
)


def test_a_template_that_takes_arguments_as_text_is_given_them_so() -> None:
    found = taught(ChatTemplate(PRINTED, {}))
    assert found.style is STYLES["Devstral, Ministral 3"]
    assert found.as_text


SCHEMA = {
    "type": "object",
    "properties": {
        "town": {"type": "string", "enum": ["Oslo", "Rome"]},
        "days": {"type": "integer", "enum": [1, 20]},
        "code": {"type": "string", "maxLength": 3},
        "at": {"$ref": "#/$defs/place"},
    },
    "required": ["town", "at"],
    "$defs": {"place": {"type": "object", "properties": {"x": {"enum": [0.5, None]}}, "required": ["x"]}},
}
SCHEMAS = {"go-to.place_1": SCHEMA, "now": {}}


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_call_that_is_forced_is_read_again(model: LoadedModel, name: str, size: int) -> None:
    style = STYLES[name]
    text = _forced(model, style, {"go-to.place_1": SCHEMA})
    reader, words = CallReader(style, SCHEMAS), ""
    for start in range(0, len(text), size):
        words += reader.feed(text[start : start + size])[0]
    words += reader.feed("", last=True)[0]
    (call,) = reader.calls
    arguments = json.loads(call["function"]["arguments"])
    assert (call["function"]["name"], words) == ("go-to.place_1", "")
    assert arguments["town"] in ("Oslo", "Rome")
    assert arguments["at"]["x"] in (0.5, None)
    assert set(arguments) <= SCHEMA["properties"].keys()  # type: ignore[attr-defined]


def _forced(model: LoadedModel, style: Style, schemas: dict[str, Any]) -> str:
    ends = {model.vocab.tokenize(mark)[-1]: 6.0 for mark in "</"}  # what ends a text, so that it does
    chance = Settings(temperature=2, top_k=0, top_p=1, min_p=0, seed=5, logit_bias=ends)
    settings = replace(chance, grammar=grammar_of(style, schemas))
    with model.context(512, threads=1) as context:
        tokens = generate(Slots(context), Request([65], settings, 500))
        return "".join(token.text for token in tokens)


@pytest.mark.parametrize("name", STYLES)
def test_any_one_of_several_tools_can_be_called(model: LoadedModel, name: str) -> None:
    grammar = grammar_of(STYLES[name], SCHEMAS)
    with model.context(512, threads=1) as context:
        assert list(generate(Slots(context), Request([65], Settings(grammar=grammar), 2)))


CODER = STYLES["Qwen 3 Coder"]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("3", "integer", 3), ("3", "string", "3"), ("3", None, 3), ("NaN", "number", "NaN"), ('["a"]', "array", ["a"]),
     ("two\nlines", "string", "two\nlines"), ("", "string", ""), ("not JSON", "object", "not JSON")],
)  # fmt: skip
def test_the_schema_tells_text_from_numbers(text: str, kind: str | None, value: object) -> None:
    schema = {"properties": {"a": {} if kind is None else {"type": kind}}}
    reader = CallReader(CODER, {"f": schema})
    body = f"<tool_call>\n<function=f>\n<parameter=a>\n{text}\n</parameter>\n</function>\n</tool_call>"
    assert reader.feed(body) == ("", reader.calls)
    assert json.loads(reader.calls[0]["function"]["arguments"]) == {"a": value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Qwen 3 Coder", "<tool_call>\n<function=f>\n<parameter=a>\n1\n</function>\n</tool_call>"),
        ("GLM 4.6", "<tool_call>f<arg_key>a</arg_key></tool_call>"),
        ("Mistral Nemo", '[TOOL_CALLS][{"name": "f", "arguments": {}}, 3]'),
        ("Mistral Nemo", "[TOOL_CALLS][]"),
        ("Devstral, Ministral 3", "[TOOL_CALLS]f[ARGS][1]"),
        ("Devstral, Ministral 3", '[TOOL_CALLS]f[ARGS]{"a": NaN}'),
        ("Kimi K2", "<|tool_calls_section_begin|><|tool_calls_section_end|>"),
    ],
)
def test_what_is_no_call_stays_text(name: str, text: str) -> None:
    assert CallReader(STYLES[name]).feed(text, last=True) == (text, [])


def test_control_tokens_that_are_shown_belong_to_the_text(model: LoadedModel) -> None:
    token = model.vocab.tokenize("<|user|>", add_special=False)[0]
    assert not model.vocab.piece(token)
    for shown, text in (({token}, "<|user|>x"), ((), "x")):
        settings = Settings(grammar='root ::= "<|user|>x"', logit_bias={token: 100})
        with model.context(64, threads=1) as context:
            request = Request([65], settings, 8, shown=frozenset(shown))
            assert "".join(t.text for t in generate(Slots(context), request)) == text
