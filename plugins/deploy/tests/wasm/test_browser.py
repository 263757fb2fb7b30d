"""Sites in Chromium: they load, chat, go on without a server, and refuse what was changed."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub import targets
from hub_deploy.wasm import Order, Wllama, deploy

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
# Stops an answer at its first words: by hand it would be a race.
STOPS = """new MutationObserver((_, seen) => {
  if (document.querySelector("article.assistant span")?.textContent.length > 3) {
    seen.disconnect();
    document.querySelector("#stop").click();
  }
}).observe(document.querySelector("#log"), { childList: true, subtree: true, characterData: true })"""
PATIENCE = 120_000  # milliseconds that a page has to load a model or to answer


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server:
    """A static server of a folder on the loopback, as python -m http.server is one."""

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(Quiet, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self.stopped = False

    def stop(self) -> None:
        """Nobody answers after this."""
        if not self.stopped:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self.stopped = True


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Server]]:
    """Serves a folder until the test ends."""
    running: list[Server] = []

    def start(folder: Path) -> Server:
        running.append(Server(folder))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Opens a tab of a browser that has seen nothing yet; skips without playwright or Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = os.environ.get("HUB_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("no Chromium: HUB_CHROMIUM names none and the path has none")
    opened: list[Any] = []
    wrong: list[str] = []
    with api.sync_playwright() as play:

        def start() -> Any:
            profile = str(tmp_path / f"profile-{len(opened)}")
            opened.append(play.chromium.launch_persistent_context(profile, executable_path=found, args=FLAGS))
            tab = opened[-1].pages[0]
            tab.set_default_timeout(PATIENCE)
            tab.on("pageerror", lambda error: wrong.append(str(error)))
            tab.on("console", lambda line: wrong.append(line.text) if "Content Security" in line.text else None)
            return tab

        yield start
        for context in opened:
            context.close()
    assert wrong == []


def ask(tab: Any, text: str, tokens: int = 20) -> tuple[str, str]:
    """The answer to `text` at temperature 0, and what is said of it."""
    tab.evaluate("document.querySelector('details').open = true")
    tab.fill("#temperature", "0")
    tab.fill("#tokens", str(tokens))
    tab.fill("#text", text)
    tab.press("#text", "Enter")
    tab.wait_for_selector("#log article:last-child small:not(:empty)")
    tab.wait_for_selector("#send", state="visible")
    article = tab.locator("#log article").last
    return article.locator("span").evaluate("e => e.textContent"), article.locator("small").text_content()


def natively(model: Path, text: str, tokens: int) -> str:
    """What llama.cpp answers outside a browser; skips without llama-cpp-python."""
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    llama = llama_cpp.Llama(str(model), n_ctx=512, verbose=False)
    asked = [{"role": "user", "content": text}]
    answer = llama.create_chat_completion(asked, temperature=0, max_tokens=tokens, repeat_penalty=1.0)
    llama.close()
    said: str = answer["choices"][0]["message"]["content"]
    return said


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.fixture(scope="module")
def site(tiny: Path, program: Wllama, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sites") / "site"
    deploy(Order(tiny, path, part_size=100_000), program=program)
    return path


def test_a_site_answers_as_llama_cpp_does_and_goes_on_without_a_server(
    browse: Callable[[], Any], serve: Callable[[Path], Server], site: Path, tiny: Path
) -> None:
    server, tab = serve(site), browse()
    tab.goto(server.url)
    tab.wait_for_selector("#send:enabled")
    assert tab.evaluate("crossOriginIsolated")
    answer, said = ask(tab, "the <b>cat</b>", 30)
    assert len(answer) == 30
    assert "30 tokens, " in said
    assert "tokens/s" in said
    assert tab.locator("article.user span").evaluate("e => e.textContent") == "the <b>cat</b>"
    server.stop()
    tab.reload()
    tab.wait_for_selector("#send:enabled")
    assert ask(tab, "the <b>cat</b>", 30)[0] == answer
    assert natively(tiny, "the <b>cat</b>", 30) == answer


def test_an_answer_can_be_stopped_and_a_chat_begun_anew(
    browse: Callable[[], Any], serve: Callable[[Path], Server], site: Path
) -> None:
    tab = browse()
    tab.goto(serve(site).url)
    tab.wait_for_selector("#send:enabled")
    tab.evaluate("document.querySelector('#tokens').value = 450")
    tab.evaluate(STOPS)
    tab.fill("#text", "a")
    tab.press("#text", "Enter")
    tab.wait_for_selector("#log article:last-child small:not(:empty)")
    tab.wait_for_selector("#send", state="visible")
    assert 0 < len(tab.locator("#log article").last.locator("span").text_content()) < 450
    tab.click("#clear")
    assert tab.locator("#log article").count() == 0
    assert len(ask(tab, "b", 5)[0]) == 5


def test_a_model_above_the_limit_of_one_file_is_loaded_from_several(
    browse: Callable[[], Any], serve: Callable[[Path], Server], tiny: Path, tmp_path: Path, program: Wllama,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    small = replace(targets.TARGETS["wasm"], largest=60_000)
    monkeypatch.setitem(targets.TARGETS, "wasm", small)
    deploy(Order(tiny, tmp_path / "site", part_size=50_000), program=program)
    tab = browse()
    tab.goto(serve(tmp_path / "site").url)
    tab.wait_for_selector("#send:enabled")
    assert ask(tab, "the cat", 20)[0] == natively(tiny, "the cat", 20)


@pytest.mark.parametrize("changed", ["model/001-*.bin", "wllama/wllama.wasm", "chat.js"])
def test_one_flipped_bit_is_refused(
    browse: Callable[[], Any], serve: Callable[[Path], Server], site: Path, tmp_path: Path, changed: str
) -> None:
    copy = Path(shutil.copytree(site, tmp_path / "copy"))
    (path,) = copy.glob(changed)
    if changed == "chat.js":  # a page that runs is needed to say so: a comment changes
        path.write_bytes(path.read_bytes().replace(b"// The page:", b"// The Page:"))
    else:
        flip(path)
    tab = browse()
    tab.goto(serve(copy).url)
    tab.wait_for_selector("#failure:visible")
    reason = tab.locator("#reason").text_content()
    assert reason.startswith(f"{path.relative_to(copy)} is not what this site was made with: its SHA-256 is ")
    assert tab.locator("#send").is_disabled()


def test_a_site_that_is_made_anew_is_seen(
    browse: Callable[[], Any], serve: Callable[[Path], Server], site: Path, tiny: Path, tmp_path: Path, program: Wllama
) -> None:
    copy = Path(shutil.copytree(site, tmp_path / "copy"))
    server, tab = serve(copy), browse()
    tab.goto(server.url)
    tab.wait_for_selector("#send:enabled")
    deploy(Order(tiny, copy, context=64, force=True), program=program)
    tab.reload()
    tab.wait_for_selector("#send:enabled")
    assert "64 tokens of context" in tab.locator("#about").text_content()
    kept = tab.evaluate("(async () => (await caches.keys()).length)()")
    assert kept == 2  # one of the site, one of its model


def test_smollm2(browse: Callable[[], Any], serve: Callable[[Path], Server], program: Wllama, tmp_path: Path) -> None:
    if not os.environ.get("HUB_SMOLLM2"):
        pytest.skip("HUB_SMOLLM2 names no model")
    deploy(Order(Path(os.environ["HUB_SMOLLM2"]), tmp_path / "site"), program=program)
    server, tab = serve(tmp_path / "site"), browse()
    tab.goto(server.url)
    tab.wait_for_selector("#send:enabled")
    answer, said = ask(tab, "Name three colours.")
    assert len(answer.split()) > 3
    assert "20 tokens, " in said
    server.stop()
    tab.reload()
    tab.wait_for_selector("#send:enabled")
    assert ask(tab, "Name three colours.")[0] == answer
