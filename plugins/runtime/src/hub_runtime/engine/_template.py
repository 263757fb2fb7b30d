"""Chat templates: Jinja text from the model's own metadata, rendered as transformers renders it, in a sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hub.errors import UsageError

if TYPE_CHECKING:
    from jinja2 import Environment, Template


class ChatTemplate:
    """The template of one model. `words` are the texts of its special tokens ("bos_token"), `named` other templates.

    `UsageError` when it is not valid Jinja.
    """

    def __init__(self, source: str, words: Mapping[str, str], named: Mapping[str, str] | None = None) -> None:
        self.source, self.named, self._words = source, dict(named or {}), dict(words)
        self._environment = _environment()
        self._default = self._parsed(source)

    def _parsed(self, source: str) -> Template:
        from jinja2 import TemplateSyntaxError

        try:
            return self._environment.from_string(source)
        except TemplateSyntaxError as error:
            raise UsageError(f"the model's chat template is not valid: line {error.lineno}: {error.message}") from error

    @property
    def takes_tools(self) -> bool:
        """True when the template, or the one for tool use, speaks of tools."""
        return "tool_use" in self.named or "tools" in self.source

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        **values: Any,
    ) -> str:
        """The prompt for `messages` ({"role": ..., "content": ...}); `values` are further variables of the template.

        `UsageError` when the template refuses them (`raise_exception`) or fails.
        """
        from jinja2 import TemplateError

        use = self._parsed(self.named["tool_use"]) if tools and "tool_use" in self.named else self._default
        given = {**self._words, "messages": messages, "tools": tools, "add_generation_prompt": add_generation_prompt}
        try:
            return use.render({**given, **values})
        except TemplateError as error:
            raise UsageError(f"the model's chat template refuses the conversation: {error.message}") from error
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise UsageError(f"the model's chat template fails: {error}") from error


def _environment() -> Environment:
    """Jinja as transformers sets it up: blocks leave no lines behind, loops can break, values cannot be changed."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class GenerationBlock(Extension):
        """{% generation %} marks the assistant's words for training; here it is transparent."""

        tags = {"generation"}  # noqa: RUF012  # the name and type are Jinja's

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationBlock]
    )

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    made.filters["tojson"] = _tojson
    made.globals["raise_exception"] = refuse
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without HTML escapes, which Jinja's own filter would add."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
