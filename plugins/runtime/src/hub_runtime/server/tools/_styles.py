"""How models write calls of functions: a table, made of what their chat templates write for calls of earlier turns."""

# ruff: noqa: RUF001  # the models write these letters

from __future__ import annotations

import re
from dataclasses import dataclass

PLACES = re.compile(r"(\{\w+\}|\n)")
_BODY = re.compile(r"\{(?:object|objects|arguments)\}")


@dataclass(frozen=True, slots=True)
class Style:
    """A block of calls: `opening`, one `call` after the other, `closing`.

    In `call` stand {object}, a JSON object with the two `keys`, or {objects}, a list of such; or {name} and
    {arguments}, a JSON object, or where `argument` is given one of those after the other, with {key}, {value} and
    {string}, "true" where the value is text. {id} is some word, {index} some number. A line feed may be missing. A
    style without `opening` is a call only where the answer begins with it.
    """

    opening: str
    call: str
    closing: str
    argument: str = ""
    keys: tuple[str, str] = ("name", "arguments")

    @property
    def marker(self) -> str:
        """What tells that a block begins."""
        return self.opening.strip()

    @property
    def parts(self) -> tuple[str, str, str]:
        """`call` before its body, the body's place without braces, and `call` behind it."""
        body = _BODY.search(self.call)
        if body is None:
            raise ValueError(f"{self.call!r} has no body")
        return self.call[: body.start()], body[0][1:-1], self.call[body.end() :]

    @property
    def literals(self) -> list[str]:
        """The words that are always the same."""
        texts = (self.opening, self.call, self.closing, self.argument)
        return [part for text in texts for part in PLACES.split(text) if part and not PLACES.fullmatch(part)]


def _dsml(block: str) -> Style:
    argument = '<｜DSML｜parameter name="{key}" string="{string}">{value}</｜DSML｜parameter>\n'
    call = '<｜DSML｜invoke name="{name}">\n{arguments}</｜DSML｜invoke>\n'
    return Style(f"<｜DSML｜{block}>\n", call, f"</｜DSML｜{block}>", argument)


def _xml(tag: str, between: str) -> Style:
    argument = f"<parameter={{key}}>{between}{{value}}{between}</parameter>\n"
    return Style(f"<{tag}>\n", "<function={name}>\n{arguments}</function>\n", f"</{tag}>", argument)


_GLM = "<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n"
_INVOKE = '<invoke name="{name}">\n{arguments}</invoke>\n'
_PARAMETER = '<parameter name="{key}">{value}</parameter>\n'
_DEEPSEEK = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")
_V3 = "<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜>"
_R1 = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```<｜tool▁call▁end｜>"
_SOLAR = "<|tool_call:begin|>{id}<|tool_call:name|>{name}<|tool_call:args|>{arguments}<|tool_call:end|>"
_KIMI = "<|tool_call_begin|>functions.{name}:{index}<|tool_call_argument_begin|>{arguments}<|tool_call_end|>"

# The first whose reader finds a call of the model's own template is taken; names are of some models that write so.
STYLES = {
    "Hermes, Qwen 2.5, Qwen 3": Style("<tool_call>\n", "{object}", "\n</tool_call>"),
    "Qwen 3 Coder": _xml("tool_call", "\n"),
    "GLM 4.6": Style("<tool_call>", "{name}\n{arguments}", "</tool_call>", _GLM),
    "Mistral Nemo": Style("[TOOL_CALLS]", "{objects}", ""),
    "Mistral Small 3.2": Style("[TOOL_CALLS]", "{name}[CALL_ID]{id}[ARGS]{arguments}", ""),
    "Devstral, Ministral 3": Style("[TOOL_CALLS]", "{name}[ARGS]{arguments}", ""),
    "DeepSeek V3.1": Style(_DEEPSEEK[0], _V3, _DEEPSEEK[1]),
    "DeepSeek R1": Style(_DEEPSEEK[0], _R1, _DEEPSEEK[1]),
    "DeepSeek V3.2": _dsml("function_calls"),
    "DeepSeek V4": _dsml("tool_calls"),
    "Kimi K2": Style("<|tool_calls_section_begin|>", _KIMI, "<|tool_calls_section_end|>"),
    "MiniMax M2": Style("<minimax:tool_call>\n", _INVOKE, "</minimax:tool_call>", _PARAMETER),
    "MiniMax M1": Style("<tool_calls>\n", "{object}\n", "</tool_calls>"),
    "Apriel": Style("<tool_calls>", "{objects}", "</tool_calls>"),
    "Nemotron Nano 2": Style("<TOOLCALL>", "{objects}", "</TOOLCALL>"),
    "Seed OSS": _xml("seed:tool_call", ""),
    "Command R7B": Style("<|START_ACTION|>", "{objects}", "<|END_ACTION|>", keys=("tool_name", "parameters")),
    "Solar Open": Style("<|tool_calls|>", _SOLAR, ""),
    "MiniCPM 5": Style('<function name="', '{name}">{arguments}', "</function>", '<param name="{key}">{value}</param>'),
    "Functionary 3.1": Style("<function=", "{name}>{arguments}", "</function>"),
    "GigaChat 3.1": Style("<|function_call|>", "{object}", ""),
    "Llama 3": Style("", "{object}", "", keys=("name", "parameters")),
}  # fmt: skip
