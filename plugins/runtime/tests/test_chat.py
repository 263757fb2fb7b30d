"""Conversations."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hub.errors import UsageError
from hub_runtime.commands.repl import Repl
from hub_runtime.conversation import Conversation
from hub_runtime.engine import LoadedModel, Settings, Slots, load

Hub = Callable[..., Any]
SCHEMA = Path(sys.modules["hub_runtime"].__file__ or "").parent / "schemas" / "conversation.json"


@pytest.fixture
def talk(model: LoadedModel) -> Iterator[Conversation]:
    with model.context(512, threads=1) as context:
        yield Conversation(model, Slots(context, reuse=True), Settings(), 12)


def heard(pieces: Iterator[str]) -> str:
    return "".join(pieces)


def test_each_turn_sees_those_before(talk: Conversation) -> None:
    first = heard(talk.answer("One"))
    second = heard(talk.answer("Two"))
    assert [m["content"] for m in talk.messages] == ["One", first.strip(), "Two", second.strip()]
    assert talk.last is not None
    assert talk.last.counters.prompt_tokens == len("OneTwo") + len(first.strip().encode()) + 5
    assert talk.last.counters.cached_tokens > 0
    talk.clear()
    assert heard(talk.answer("Two")) != second


def test_regenerating_answers_the_last_message_again(talk: Conversation) -> None:
    with pytest.raises(UsageError):
        talk.regenerate()
    first = heard(talk.answer("Again"))
    assert heard(talk.regenerate()) == first
    assert len(talk.messages) == 2
    talk.settings = Settings(temperature=2.0, seed=1)
    assert heard(talk.regenerate()) != first


def test_the_system_message_comes_first_and_stays(talk: Conversation) -> None:
    heard(talk.answer("Hi"))
    talk.system = "Be short."
    assert [m["role"] for m in talk.messages] == ["system", "user", "assistant"]
    talk.clear()
    assert talk.system == "Be short."
    talk.system = None
    assert talk.messages == []


def test_an_answer_that_is_stopped_stays_as_far_as_it_came(talk: Conversation) -> None:
    pieces = talk.answer("Stop me")
    said = next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert talk.messages[-1]["role"] == "assistant"
    assert said.strip() in talk.messages[-1]["content"]
    assert talk.slots.free == 1
    assert heard(talk.answer("Go on"))


def test_a_message_that_does_not_fit_leaves_the_conversation_as_it_was(talk: Conversation) -> None:
    heard(talk.answer("Hi"))
    before = list(talk.messages)
    with pytest.raises(UsageError, match="the prompt has"):
        heard(talk.answer("x" * 600))
    assert talk.messages == before


def test_a_conversation_is_saved_and_loaded(talk: Conversation, tmp_path: Path) -> None:
    talk.system = "Grüße"
    heard(talk.answer("Hi"))
    path = tmp_path / "talk.json"
    talk.save(path)
    jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), json.loads(SCHEMA.read_text()))
    with pytest.raises(UsageError, match="exists"):
        talk.save(path)
    before, talk.messages = talk.messages, []
    talk.load(path)
    assert talk.messages == before


@pytest.mark.parametrize("text", ["", "[]", '{"messages": 3}', '{"messages": [{"role": "boss", "content": ""}]}'])
def test_what_is_no_conversation_is_refused(talk: Conversation, tmp_path: Path, text: str) -> None:
    (tmp_path / "talk.json").write_text(text)
    with pytest.raises(UsageError, match="no conversation"):
        talk.load(tmp_path / "talk.json")


@pytest.mark.usefixtures("llama")
def test_without_a_template_the_messages_are_plain_lines(make_tiny: Callable[..., Path], tmp_path: Path) -> None:
    path = make_tiny(tmp_path / "plain.gguf", template=None)
    with load(path, gpu_layers=0) as model, model.context(512, threads=1) as context:
        talk = Conversation(model, Slots(context), Settings(), 5)
        assert talk.plain
        heard(talk.answer("Hi"))
        assert talk.last is not None
        assert bytes(talk.last.request.prompt) == b"user: Hi\nassistant:"
        assert "\nuser:" in talk.last.request.stop


class Typist:
    """Types lines, or raises what it is given."""

    def __init__(self, *lines: str | BaseException) -> None:
        self.lines, self.prompts = list(lines), list[str]()

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        if not self.lines:
            raise EOFError
        line = self.lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line


def typed(talk: Conversation, *lines: str | BaseException) -> Typist:
    typist = Typist(*lines)
    Repl(talk, typist).run()
    return typist


def test_lines_are_answered_until_the_input_ends(talk: Conversation, capsys: pytest.CaptureFixture[str]) -> None:
    typed(talk, "One", "", "  ", "Two")
    assert [m["content"] for m in talk.messages[::2]] == ["One", "Two"]
    assert talk.messages[1]["content"] in capsys.readouterr().out


def test_quitting_leaves_the_rest_unread(talk: Conversation) -> None:
    assert typed(talk, "/quit", "Not read").lines == ["Not read"]


def test_messages_may_have_several_lines(talk: Conversation) -> None:
    typist = typed(talk, "one\\", "two", '"""', "three", "four", '"""', '"""five"""', "six")
    assert [m["content"] for m in talk.messages[::2]] == ["one\ntwo", "three\nfour", "five", "six"]
    assert typist.prompts[:3] == ["> ", ". ", "> "]


def test_ctrl_c_at_the_prompt_drops_the_line_and_goes_on(talk: Conversation) -> None:
    typed(talk, KeyboardInterrupt(), "Hi")
    assert talk.messages[0]["content"] == "Hi"


def test_ctrl_c_during_an_answer_stops_the_answer_alone(
    talk: Conversation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed: list[str] = []

    class Terminal(io.StringIO):
        def write(self, text: str) -> int:
            if len(pressed) < 1:
                pressed.append(text)
                raise KeyboardInterrupt
            return super().write(text)

    monkeypatch.setattr(sys, "stdout", Terminal())
    typed(talk, "Hi", "There")
    assert "(stopped)" in capsys.readouterr().err
    assert [m["role"] for m in talk.messages] == ["user", "assistant"] * 2
    assert len(talk.messages[1]["content"]) < len(talk.messages[3]["content"])


def test_an_answer_that_ends_early_says_why(talk: Conversation, capsys: pytest.CaptureFixture[str]) -> None:
    typed(talk, "Hi")
    assert "(--max-tokens reached)" in capsys.readouterr().err
    talk.max_tokens = None
    typed(talk, "Go on", "x" * 600)
    said = capsys.readouterr().err
    assert "(the context is full; /clear forgets the conversation)" in said
    assert "the context holds 512 with at least one to generate; /clear forgets the conversation" in said


class Terminal:
    """`hub` on a terminal of its own: what it shows is awaited, what is typed is sent."""

    def __init__(self, *args: object) -> None:
        import pty

        self._left = b""
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execv(sys.executable, [sys.executable, "-m", "hub", *map(str, args)])  # noqa: S606  # no shell

    def await_(self, wanted: str) -> str:
        """What came until `wanted` did."""
        shown = self._left
        while wanted.encode() not in shown:
            ready, _, _ = select.select([self._fd], [], [], 60)
            assert ready, f"{wanted!r} did not come in a minute: {shown!r}"
            shown += os.read(self._fd, 1024)
        shown, found, self._left = shown.partition(wanted.encode())
        return (shown + found).decode("utf-8", "replace")

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def end(self) -> int:
        """The exit code."""
        with contextlib.suppress(OSError):  # the terminal is gone with the program
            while select.select([self._fd], [], [], 60)[0] and os.read(self._fd, 1024):
                pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.usefixtures("llama")
def test_ctrl_c_on_a_terminal_stops_the_answer_and_keeps_what_was_computed(
    make_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    model = make_tiny(tmp_path / "endless.gguf", ctx=1 << 17)
    terminal = Terminal("chat", model, "--temperature", 0, "--ctx", 1 << 17, "--threads", 1)
    terminal.await_("> ")
    terminal.type("Hi\r")
    terminal.await_("Hi\r\n")
    time.sleep(0.3)  # into the answer, which would go on for minutes
    terminal.type("\x03")
    terminal.await_("(stopped)")
    terminal.await_("> ")
    terminal.type("/stats\r")
    held = re.search(r"context: (\d+) of", terminal.await_("positions"))
    assert held is not None
    assert int(held[1]) > 5
    terminal.await_("> ")
    terminal.type("half a line\x03")
    terminal.await_("> ")  # what is typed before it is lost with the line
    terminal.type("/quit\r")
    assert terminal.end() == 0


def test_commands_work_and_others_are_named(
    talk: Conversation, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    saved = tmp_path / "talk.json"
    typed(
        talk, "/help", "/regenerate", "Hi", "/stats", "/system Be kind.", "/system", f"/save {saved}", "/save",
        f"/save {saved}", "/clear", "/nonsense", f"/load {saved}", "/regenerate", "/system -",
    )  # fmt: skip
    said = capsys.readouterr().err
    for expected in (
        "/regenerate      answer", "nothing to answer again", "1 answers, ", "system: Be kind.\nsystem: Be kind.",
        f"saved: {saved}, 3 messages", "which file?", "exists already", "forgotten", "no command /nonsense",
        f"loaded: {saved}, 3 messages", "there is no system message",
    ):  # fmt: skip
        assert expected in said, expected
    assert [m["role"] for m in talk.messages] == ["user", "assistant"]


def test_the_program_reads_lines_from_a_pipe(hub: Hub, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hi\n/stats\n"))
    ran = hub("chat", tiny, "--temperature", 0, "-n", 5, "--quiet")
    assert ran.code == 0
    assert ran.out.endswith("\n")
    assert "1 answers, 5 tokens" in ran.err


def test_a_missing_template_is_said_aloud(
    hub: Hub, make_tiny: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    ran = hub("chat", make_tiny(tmp_path / "plain.gguf", template=None), "--quiet")
    assert (ran.code, "no chat template" in ran.err) == (0, True)
