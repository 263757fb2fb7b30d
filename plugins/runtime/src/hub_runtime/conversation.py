"""A conversation with a model: its messages, its settings, and answers that come piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from hub.errors import UsageError
from hub.pipeline import write_whole
from hub_runtime.engine import Generation, LoadedModel, Request, Settings, Slots, heard_afterwards

SCHEMA = "hub.conversation/1"
_ROLES = ("system", "user", "assistant")


class Message(TypedDict):
    """One message of a conversation."""

    role: str
    content: str


@dataclass
class Totals:
    """Sums over the answers of a session."""

    answers: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    seconds: float = 0.0


@dataclass
class Conversation:
    """The messages so far and how to answer; `slots` keeps what earlier turns computed.

    A model without a chat template gets the messages as "role: content" lines (`plain`), and stops where it would
    speak for the user.
    """

    model: LoadedModel
    slots: Slots
    settings: Settings
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    messages: list[Message] = field(default_factory=list)
    last: Generation | None = None
    totals: Totals = field(default_factory=Totals)

    @property
    def plain(self) -> bool:
        """True when the model has no chat template."""
        return self.model.template is None

    @property
    def system(self) -> str | None:
        """The system message."""
        return next((m["content"] for m in self.messages if m["role"] == "system"), None)

    @system.setter
    def system(self, text: str | None) -> None:
        rest = [m for m in self.messages if m["role"] != "system"]
        self.messages = [Message(role="system", content=text), *rest] if text else rest

    def clear(self) -> None:
        """Forget everything but the system message."""
        self.messages = [m for m in self.messages if m["role"] == "system"]

    def answer(self, text: str) -> Iterator[str]:
        """Say `text` and yield the answer piece by piece.

        Left early, or interrupted, what was answered so far stays. When nothing can be answered (`HubError`), the
        conversation is as before.
        """
        self.messages.append(Message(role="user", content=text))
        return self._answered()

    def regenerate(self) -> Iterator[str]:
        """Answer the last message again; `UsageError` when there is none."""
        if not any(m["role"] == "user" for m in self.messages):
            raise UsageError("there is nothing to answer again")
        if self.messages[-1]["role"] == "assistant":
            self.messages.pop()
        return self._answered()

    def _answered(self) -> Iterator[str]:
        try:
            generation = self.slots.add(self._request())
        except BaseException:
            self.messages.pop()
            raise
        self.last = generation
        try:
            while generation.finish is None:
                with heard_afterwards():  # Ctrl-C in the middle of a step would cost all that was computed so far
                    made = self.slots.step()
                yield from (token.text for _, token in made if token.text)
        finally:
            self.slots.cancel(generation)
            self.messages.append(Message(role="assistant", content=generation.text.strip()))
            self._count(generation)

    def _request(self) -> Request:
        template, vocab = self.model.template, self.model.vocab
        if template is not None:
            tokens = vocab.tokenize(template.render(self.messages), add_special=False)
            return Request(tokens, self.settings, self.max_tokens, self.stop)
        lines = [f"{m['role']}: {m['content']}\n" for m in self.messages]
        tokens = vocab.tokenize("".join([*lines, "assistant:"]))
        return Request(tokens, self.settings, self.max_tokens, (*self.stop, "\nuser:"))

    def _count(self, generation: Generation) -> None:
        totals, counters = self.totals, generation.counters
        totals.answers += 1
        totals.prompt_tokens += counters.prompt_tokens
        totals.cached_tokens += counters.cached_tokens
        totals.generated_tokens += counters.generated_tokens
        totals.seconds += counters.seconds

    def save(self, path: Path) -> None:
        """Write the messages as JSON; a file that exists is not replaced."""
        document = {"schema": SCHEMA, "model": str(self.model.path), "messages": self.messages}
        if path.exists():
            raise UsageError("exists already", file=path)
        write_whole(path, json.dumps(document, ensure_ascii=False, indent=1).encode())

    def load(self, path: Path) -> None:
        """Take the messages of a file that `save` wrote; `UsageError` when it holds something else."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"no conversation: {error}", file=path) from error
        messages = found.get("messages") if isinstance(found, dict) else None
        if not isinstance(messages, list) or not all(_is_message(m) for m in messages):
            raise UsageError("no conversation: a list of messages with role and content was expected", file=path)
        self.messages = [Message(role=m["role"], content=m["content"]) for m in messages]


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and value.get("role") in _ROLES and isinstance(value.get("content"), str)
