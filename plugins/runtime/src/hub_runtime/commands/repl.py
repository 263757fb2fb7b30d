"""The dialogue on a terminal: lines in, answers out, commands that begin with a slash."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from hub.errors import HubError, UsageError
from hub_runtime.commands.printing import Printer
from hub_runtime.conversation import Conversation
from hub_runtime.engine import PromptTooLong

HELP = """\
/help            this
/clear           forget the conversation, keep the system message
/system [TEXT]   show or set the system message; "/system -" removes it
/save FILE       write the conversation as JSON
/load FILE       go on with one that was saved
/regenerate      answer the last message again
/stats           tokens and times
/quit            end; so does the end of input (Ctrl-D)
A line that ends in \\ goes on in the next; \"\"\" begins and ends a text of several lines.
Ctrl-C stops an answer."""

_BLOCK = '"""'


class Quit(Exception):
    """The user wants to end."""


class Repl:
    """Reads messages with `read(prompt)`, which raises EOFError at the end, and answers them until the user ends it."""

    def __init__(self, talk: Conversation, read: Callable[[str], str]) -> None:
        self.talk, self._read = talk, read
        self._commands: dict[str, Callable[[str], None]] = {
            "/help": lambda _: _say(HELP),
            "/clear": lambda _: self._clear(),
            "/system": self._system,
            "/save": lambda rest: self._file(rest, talk.save, "saved"),
            "/load": lambda rest: self._file(rest, talk.load, "loaded"),
            "/regenerate": lambda _: self._answer(talk.regenerate()),
            "/stats": lambda _: _say(self._stats()),
            "/quit": lambda _: self._quit(),
        }

    def run(self) -> None:
        """Talk until the user quits or the input ends."""
        while True:
            try:
                text = self._message()
                if text.strip():
                    self._take(text)
            except KeyboardInterrupt:
                _say("")  # a half-typed message is dropped
            except (EOFError, Quit):
                return
            except PromptTooLong as error:
                _say(f"hub: error: {error.message}; /clear forgets the conversation")
            except (HubError, OSError) as error:
                _say(f"hub: error: {error}")

    def _message(self) -> str:
        """One message, perhaps of several lines."""
        line = self._read("> ")
        if line.strip().startswith(_BLOCK):
            return self._block(line.strip().removeprefix(_BLOCK))
        while line.endswith("\\"):
            line = f"{line[:-1]}\n{self._read('. ')}"
        return line

    def _block(self, line: str) -> str:
        lines = [line] if line else []
        while not line.rstrip().endswith(_BLOCK):
            line = self._read(". ")
            lines.append(line)
        lines[-1] = lines[-1].rstrip().removesuffix(_BLOCK)
        return "\n".join(lines).strip("\n")

    def _take(self, text: str) -> None:
        """Obey a command, or answer a message."""
        word, _, rest = text.strip().partition(" ")
        if not word.startswith("/"):
            self._answer(self.talk.answer(text))
        elif word in self._commands:
            self._commands[word](rest.strip())
        else:
            raise UsageError(f"there is no command {word}", hint="/help lists them")

    def _answer(self, pieces: Iterator[str]) -> None:
        printer = Printer()
        try:
            for piece in pieces:
                printer.write(piece)
        except KeyboardInterrupt:
            pieces.close()  # type: ignore[attr-defined]  # they come from a generator
            printer.end()
            _say("(stopped)")
        else:
            printer.end()
            last = self.talk.last
            if last is not None and last.finish == "length":
                full = last.counters.generated_tokens != self.talk.max_tokens
                _say("(the context is full; /clear forgets the conversation)" if full else "(--max-tokens reached)")

    def _clear(self) -> None:
        self.talk.clear()
        _say("the conversation is forgotten")

    def _system(self, text: str) -> None:
        if text:
            self.talk.system = None if text == "-" else text
        _say(f"system: {self.talk.system}" if self.talk.system else "there is no system message")

    def _file(self, name: str, work: Callable[[Path], None], done: str) -> None:
        if not name:
            raise UsageError("which file?")
        work(Path(name))
        _say(f"{done}: {name}, {len(self.talk.messages)} messages")

    def _stats(self) -> str:
        totals, last = self.talk.totals, self.talk.last
        lines = [
            f"{totals.answers} answers, {totals.generated_tokens} tokens in {totals.seconds:.1f} s; "
            f"{totals.prompt_tokens} tokens of prompts, {totals.cached_tokens} of them computed before"
        ]
        if last is not None and last.counters.time_to_first_token is not None:
            rate = last.counters.tokens_per_second
            speed = f", {rate:.1f} tokens/s" if rate is not None else ""
            lines.append(f"last: first token after {last.counters.time_to_first_token * 1000:.0f} ms{speed}")
        used, room = self.talk.slots.held_tokens, self.talk.slots.context.ctx
        return "\n".join([*lines, f"context: {used} of {room} positions"])

    def _quit(self) -> None:
        raise Quit


def _say(text: str) -> None:
    """Say something that is not the model's, on standard error."""
    print(text, file=sys.stderr, flush=True)
