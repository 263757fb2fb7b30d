"""Chat templates, as transformers renders them."""

from __future__ import annotations

import pytest

from hub.errors import UsageError
from hub_runtime.engine import ChatTemplate, LoadedModel

pytest.importorskip("jinja2", reason="jinja2 is not installed")

WORDS = {"bos_token": "<s>", "eos_token": "</s>"}
CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "Be kind.<|im_end|>\n' }}{% endif %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
BLOCKS = """{{ bos_token }}
{%- for m in messages %}
    {%- if m.role == 'tool' %}
        {%- continue %}
    {%- endif %}
    {%- generation %}
[{{ m.role }}] {{ m.content | trim }}
    {%- endgeneration %}
{%- endfor %}
{% if tools %}
{{ tools | tojson(indent=2) }}
{% endif %}
"""
TALK = [{"role": "user", "content": " Grüße <b> & 'so' "}, {"role": "tool", "content": "x"}]
TOOLS = [{"type": "function", "function": {"name": "add", "description": 'a < b & "c" é'}}]


def test_a_template_knows_messages_special_tokens_and_the_generation_prompt() -> None:
    template = ChatTemplate(CHATML, WORDS)
    talk = [{"role": "user", "content": "Hi"}]
    begun = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    assert template.render(talk) == begun + "<|im_start|>assistant\n"
    assert template.render(talk, add_generation_prompt=False) == begun


def test_json_has_no_html_escapes() -> None:
    assert ChatTemplate("{{ tools | tojson }}", {}).render([], tools=TOOLS).startswith('[{"type": "function"')
    assert 'a < b & \\"c\\" é' in ChatTemplate("{{ tools | tojson }}", {}).render([], tools=TOOLS)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{{ messages[0].nothing.more }}", "nothing"),
        ("{{ 1 + 'a' }}", "fails"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{% for i in range(10 ** 9) %}{% endfor %}", "range"),
    ],
)
def test_a_template_that_refuses_or_fails_is_one_clear_error(source: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"(?i)chat template.*{said}"):
        ChatTemplate(source, WORDS).render(TALK)


def test_a_template_that_is_not_jinja_is_refused_when_it_is_read() -> None:
    with pytest.raises(UsageError, match="not valid: line 2"):
        ChatTemplate("\n{% if %}", WORDS)


def test_tools_use_the_template_made_for_them() -> None:
    template = ChatTemplate("plain", {}, {"tool_use": "tools: {{ tools | length }}"})
    assert (template.render(TALK), template.render(TALK, tools=TOOLS)) == ("plain", "tools: 1")
    assert template.takes_tools
    assert not ChatTemplate("plain", {}).takes_tools


def test_the_day_is_known() -> None:
    assert len(ChatTemplate("{{ strftime_now('%Y-%m-%d') }}", {}).render([])) == 10


def test_the_model_s_own_template_is_used(model: LoadedModel) -> None:
    assert model.template is not None
    assert model.template.render([{"role": "user", "content": "Hi"}]) == "<s><|user|>Hi<|assistant|>"


@pytest.mark.oracle
@pytest.mark.parametrize("source", [CHATML, BLOCKS], ids=["chatml", "blocks"])
@pytest.mark.parametrize("tools", [None, TOOLS], ids=["plain", "tools"])
def test_transformers_renders_the_same(source: str, tools: list[dict[str, object]] | None) -> None:
    rendering = pytest.importorskip("transformers.utils.chat_template_utils")
    theirs, _ = rendering.render_jinja_template(
        [TALK], tools=tools, chat_template=source, add_generation_prompt=True, **WORDS
    )
    assert ChatTemplate(source, WORDS).render(TALK, tools=tools) == theirs[0]
