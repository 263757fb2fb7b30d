"""What a model is given for a prompt: its chat template's words around it, or the text as it stands."""

from __future__ import annotations

from dataclasses import dataclass

from hub.errors import UsageError
from hub_runtime.engine import LoadedModel


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens of a prompt, and whether they hold the model's chat template."""

    tokens: list[int]
    template: bool


def prompt_of(model: LoadedModel, text: str, *, raw: bool = False, system: str | None = None) -> Prompt:
    """The tokens that `model` gets for `text`.

    A model whose metadata has a chat template gets `text` as the message of a user, behind the `system` message if
    there is one; with `raw`, or without a template, the text as it stands. `UsageError` for a `raw` or a `system` that
    has no effect, and when the template refuses the message.
    """
    if model.template is None and raw:
        raise UsageError("--raw has no effect: the model has no chat template", file=model.path)
    if system is not None and (raw or model.template is None):
        why = "with --raw" if raw else "on a model without a chat template"
        raise UsageError(f"--system has no effect {why}", file=model.path)
    if model.template is None or raw:
        return Prompt(model.vocab.tokenize(text), False)
    messages = [{"role": "system", "content": system}] if system is not None else []
    try:
        rendered = model.template.render([*messages, {"role": "user", "content": text}])
    except UsageError as error:
        raise UsageError(error.message, file=model.path, hint="--raw completes the text as it stands") from error
    return Prompt(model.vocab.tokenize(rendered, add_special=False), True)
