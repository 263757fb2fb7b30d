import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub_runtime.server.tools import STYLES, CallReader

openai: Any = pytest.importorskip("openai", reason="OpenAI's client is not installed")

TEMPLATE = (
    "{% if tools %}Call as <tool_call>{...}</tool_call>: {{ tools | tojson }}{% endif %}"
    "{% for m in messages %}{{ m.role }}: {{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.arguments.city }}</tool_call>{% endfor %}{% endfor %}"
)
CITY = {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}}, "required": ["city"]}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "weather", "description": "It", "parameters": CITY}},
    {"type": "function", "function": {"name": "now"}},
]
HERMES, LLAMA = STYLES["Hermes, Qwen 2.5, Qwen 3"], STYLES["Llama 3"]
ASK: list[Any] = [{"role": "user", "content": "How is it in Oslo?"}]


@pytest.fixture(scope="module")
def tooled(
    make_tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, serving: Callable[..., Any]
) -> Iterator[Any]:
    path = make_tiny(tmp_path_factory.mktemp("tools") / "tooled.gguf", template=TEMPLATE)
    with serving(path, "--threads", 1) as client:
        yield client


def test_a_function_that_must_be_called_is(tooled: Any) -> None:
    choice = {"type": "function", "function": {"name": "weather"}}
    for seed in range(3):
        got = tooled.chat.completions.create(
            model="tooled", messages=ASK, tools=TOOLS, tool_choice=choice, temperature=1.5, seed=seed
        ).choices[0]
        assert got.finish_reason == "tool_calls"
        assert not got.message.content
        (call,) = got.message.tool_calls
        assert call.function.name == "weather"
        assert json.loads(call.function.arguments)["city"] in ("Oslo", "Rome")
        assert call.id


def test_a_streamed_call_is_the_same(tooled: Any) -> None:
    choice = {"type": "function", "function": {"name": "weather"}}
    asked = {"model": "tooled", "messages": ASK, "tools": TOOLS, "tool_choice": choice, "temperature": 0}
    whole = tooled.chat.completions.create(**asked).choices[0].message.tool_calls[0].function
    chunks = list(tooled.chat.completions.create(**asked, stream=True))
    (call,) = [c for chunk in chunks for c in chunk.choices[0].delta.tool_calls or []]
    assert (call.function.name, call.function.arguments) == (whole.name, whole.arguments)
    assert call.index == 0
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_the_result_of_a_call_goes_back_to_the_model(tooled: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    messages = [
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    asked = {"model": "tooled", "max_tokens": 3, "temperature": 0}
    got = tooled.chat.completions.create(messages=messages, tools=TOOLS, **asked)
    shown = "user: How is it in Oslo?assistant: <tool_call>Oslo</tool_call>tool: rain"
    assert got.usage.prompt_tokens > len(shown)
    without = tooled.chat.completions.create(messages=messages, tools=TOOLS, tool_choice="none", **asked)
    assert without.usage.prompt_tokens == len(shown)


def test_what_cannot_be_is_refused(tooled: Any) -> None:
    broken = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
    for more in (
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "none"}}},
        {"tools": TOOLS, "response_format": {"type": "json_object"}},
        {"tools": [{"type": "retrieval"}]},
        {"messages": [*ASK, {"role": "assistant", "tool_calls": [broken]}]},
    ):
        with pytest.raises(openai.BadRequestError):
            tooled.chat.completions.create(**{"model": "tooled", "messages": ASK, **more})


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "has no tools"),
        ("{{ tools }}{% for m in messages %}{{ m.content }}{% endfor %}", "in none of the"),
    ],
)
def test_a_template_without_a_known_way_to_call_is_refused(
    make_tiny: Callable[..., Path], serving: Callable[..., Any], tmp_path: Path, template: str, why: str
) -> None:
    with serving(make_tiny(tmp_path / "m.gguf", template=template), "--threads", 1) as client:
        with pytest.raises(openai.BadRequestError, match=why) as caught:
            client.chat.completions.create(model="m", messages=ASK, tools=TOOLS)
        assert caught.value.param == "tools"
        assert caught.value.body["type"] == "invalid_request_error"


def read(style: Any, text: str, size: int) -> tuple[str, list[tuple[str, str]]]:
    """What a reader makes of `text` in pieces of `size`."""
    reader, words = CallReader(style), ""
    for i in range(0, len(text), size):
        words += reader.feed(text[i : i + size])[0]
    words += reader.feed("", last=True)[0]
    return words, [(c["function"]["name"], c["function"]["arguments"]) for c in reader.calls]


ONE = '<tool_call>\n{"name": "f", "arguments": {"a": "<tool_call>é"}}\n</tool_call>'


@pytest.mark.parametrize(
    ("style", "text", "words", "calls"),
    [
        (HERMES, "no call", "no call", []),
        (HERMES, "a < b <tool", "a < b <tool", []),
        (HERMES, "Let me see. " + ONE, "Let me see. ", [("f", '{"a": "<tool_call>é"}')]),
        (HERMES, ONE + "\n" + ONE, "", [("f", '{"a": "<tool_call>é"}')] * 2),
        (HERMES, '<tool_call>{"name": "f"}</tool_call>', "", [("f", "{}")]),
        (HERMES, "<tool_call>{broken}</tool_call>", "<tool_call>{broken}</tool_call>", []),
        (HERMES, '<tool_call>{"name": "f", "arguments": {}}', '<tool_call>{"name": "f", "arguments": {}}', []),
        (HERMES, '<tool_call>[["x"]]</tool_call>', '<tool_call>[["x"]]</tool_call>', []),
        (LLAMA, ' {"name": "f", "parameters": {"a": 1}}', " ", [("f", '{"a": 1}')]),
        (LLAMA, 'Say {"name": "f", "parameters": {}}', 'Say {"name": "f", "parameters": {}}', []),
        (LLAMA, '{"colour": "red"}', '{"colour": "red"}', []),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_calls_are_told_from_words(style: Any, text: str, words: str, calls: list[tuple[str, str]], size: int) -> None:
    assert read(style, text, size) == (words, calls)
