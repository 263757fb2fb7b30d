"""Promises about what models say: on the command line, in a chat, over HTTP, and as numbers."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.course import model
from tests.course.check import Check, below, promise, read, validated
from tests.course.scene import PORTS, Seen

SAVED = "chat.json"
SEEDS = (1, 2, 3)
PATIENCE = 120.0  # seconds for a server to begin; a bound, not a measure
GGUF = "models/qwen2.5-coder-0.5b.gguf"


def says(tokens: int) -> Check:
    """`run` prints an answer of at most so many tokens."""

    @promise(f"an answer of at most {tokens} tokens on stdout; how many there were on stderr")
    def answered(seen: Seen) -> None:
        assert seen.out.strip()
        told = re.search(r"\+ (\d+) tokens", seen.err)
        assert told is not None, seen.err
        assert 0 < int(told[1]) <= tokens

    return answered


def draws(path: str, prompt: str) -> Check:
    """A temperature is heeded: what is said depends on the draw, and a seed repeats it."""

    @promise(f"at temperature 0.7 the seeds {', '.join(map(str, SEEDS))} give different texts, the same seed the same")
    def drawn(seen: Seen) -> None:
        line = ("run", path, "-p", prompt, "--max-tokens", "100", "--temperature", "0.7", "--seed")
        texts = [seen.scene.document(*line, seed)["text"] for seed in SEEDS]
        assert len(set(texts)) > 1
        assert seen.scene.document(*line, SEEDS[0])["text"] == texts[0]

    return drawn


def said(path: str) -> Check:
    """The greedy answer is in a file, and nothing else is."""

    @promise(f"`{path}` holds the answer that these weights give, and nothing else")
    def written(seen: Seen) -> None:
        assert Path(path).read_text(encoding="utf-8") == f"{model.ANSWER}\n"
        assert not seen.out

    return written


@promise("it prints nothing: the texts are the same")
def no_difference(seen: Seen) -> None:
    """`diff` found none."""
    assert (seen.out, seen.err) == ("", "")


def threads(count: int) -> Check:
    """`--threads` is heeded."""

    @promise(f"llama.cpp is given {count} threads, as `--json` says")
    def given(seen: Seen) -> None:
        document = seen.scene.document("run", GGUF, "-p", "Hi", "--threads", count)
        assert validated(document, "run")["setup"]["threads"] == count

    return given


@promise("the answer to each of the three prompts, and nothing else, below its heading")
def batch(seen: Seen) -> None:
    """The loop of 2.3."""
    prompts = (seen.scene.capstone / "deployments" / "cli" / "prompts.txt").read_text(encoding="utf-8").splitlines()
    assert len(prompts) == 3
    assert seen.out == "".join(f"=== Prompt: {prompt} ===\n{model.ANSWER}\n" for prompt in prompts)
    assert not seen.err


def cases() -> list[str]:
    """The chat test cases of 2.2, without their quotes."""
    return re.findall(r'^\d+\. "(.+)"$', below("**Chat Test Cases:**"), re.MULTILINE)


def typed() -> str:
    """What is typed into a chat: the test cases, a command that saves the talk, and the end."""
    return "\n".join([*cases(), f"/save {SAVED}", "/quit", ""])


def talked(system: str | None) -> Check:
    """A chat answered each of the test cases."""

    under = ", under the system message" if system else ""

    @promise(f"the three test cases of 2.2 are answered, one after the other{under}")
    def each(seen: Seen) -> None:
        talk = read(seen.folder / SAVED, "conversation")["messages"]
        (seen.folder / SAVED).unlink()
        if system is not None:
            assert talk.pop(0) == {"role": "system", "content": system}
        assert [m["content"] for m in talk if m["role"] == "user"] == cases()
        assert [m["role"] for m in talk] == ["user", "assistant"] * 3
        assert all(m["content"].strip() and m["content"].strip() in seen.out for m in talk if m["role"] == "assistant")

    return each


def listens(port: int) -> Check:
    """A server that was started in the background answers."""

    @promise(f"within {PATIENCE:.0f} s it is ready; then `/health` of port {port} answers 200, on all addresses")
    def healthy(seen: Seen) -> None:
        last = time.monotonic() + PATIENCE
        while '"ready"' not in (told := seen.log.read_text(encoding="utf-8")):  # this server, and no other
            assert time.monotonic() < last, told
            assert "hub: error:" not in told, told
            time.sleep(0.2)
        assert is_healthy(port)
        assert is_healthy(port, "127.0.0.2")

    return healthy


def is_healthy(port: int, host: str = "127.0.0.1") -> bool:
    """Does the server on that port say that it is?"""
    try:
        with closing(HTTPConnection(host, port, timeout=10)) as connection:
            connection.request("GET", "/health", headers={"Connection": "close"})
            return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False


@promise("OpenAI's shape: a `text_completion` with a choice of at most 100 tokens, and `usage` that adds up")
def completion(seen: Seen) -> None:
    """What `/v1/completions` answers."""
    found: dict[str, Any] = json.loads(seen.out)
    assert found["object"] == "text_completion"
    assert {"id", "created", "model"} <= found.keys()
    (choice,) = found["choices"]
    assert choice["text"].strip()
    assert (choice["index"], choice["finish_reason"] in ("stop", "length")) == (0, True)
    usage = found["usage"]
    assert 0 < usage["completion_tokens"] <= 100
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@promise("`status` is ok")
def health(seen: Seen) -> None:
    """What `/health` answers."""
    assert validated(json.loads(seen.out), "health")["status"] == "ok"


@promise("OpenAI's list, with the one model under its file's name")
def models(seen: Seen) -> None:
    """What `/v1/models` answers."""
    found = json.loads(seen.out)
    assert found["object"] == "list"
    assert [(m["id"], m["object"]) for m in found["data"]] == [("qwen2.5-coder-0.5b", "model")]


@promise("it names the server's process")
def names_the_server(seen: Seen) -> None:
    """What `lsof` shows of the port."""
    assert "(LISTEN)" in seen.out
    assert seen.out.splitlines()[0].split()[:2] == ["COMMAND", "PID"]


def is_gone(port: int, *others: int) -> Check:
    """The server of a port was ended, and no other."""

    @promise(f"nobody listens on port {port} any more, and the other two servers still answer")
    def gone(_seen: Seen) -> None:
        last = time.monotonic() + PATIENCE
        while _connects(port):
            assert time.monotonic() < last
            time.sleep(0.1)
        assert all(is_healthy(other) for other in others)

    return gone


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@promise("`/v1/models` lists the two models of the file under their names, and each completes a prompt")
def serves_as_configured(_seen: Seen) -> None:
    """The settings of deployments/server/config.toml are heeded."""
    names = [m["id"] for m in _asked("GET", "/v1/models")["data"]]
    assert names == ["qwen2.5-coder-0.5b", "apr"]
    for name in names:
        found = _asked("POST", "/v1/completions", {"model": name, "prompt": "What?", "temperature": 0})
        assert (found["model"], found["choices"][0]["text"]) == (name, model.ANSWER)


def _asked(method: str, path: str, body: Any = None) -> Any:
    with closing(HTTPConnection("127.0.0.1", PORTS[0], timeout=60)) as connection:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return json.loads(connection.getresponse().read())
