import base64
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest


def test_the_page_runs_its_own_script_and_no_other(server: Any) -> None:
    answer = httpx.get(server.url)
    assert answer.headers["content-type"].startswith("text/html")
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"script-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"""(src|href)=|\son\w+=|https?://|innerHTML""", answer.text)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, where HUB_CHROMIUM or the path has one."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = os.environ.get("HUB_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("no Chromium: HUB_CHROMIUM names none and the path has none")
    with api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab in which nothing may go wrong unseen."""
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security" in line.text else None)
    yield page
    page.close()
    assert wrong == []


def test_a_conversation_in_chromium(tab: Any, server: Any) -> None:
    tab.goto(server.url)
    tab.wait_for_selector("#model option", state="attached")
    tab.click("summary")
    tab.fill("#tokens", "20")
    tab.fill("#temperature", "0")
    tab.fill("#system", "<b>Be</b> brief")
    tab.fill("#text", "Once <img src=x onerror=alert(1)>")
    tab.press("#text", "Enter")
    tab.wait_for_selector("#send:enabled")
    articles = tab.locator("article")
    assert articles.count() == 2
    assert articles.nth(0).locator("span").text_content() == "Once <img src=x onerror=alert(1)>"
    asked = {
        "messages": [
            {"role": "system", "content": "<b>Be</b> brief"},
            {"role": "user", "content": "Once <img src=x onerror=alert(1)>"},
        ],
        "max_tokens": 20,
        "temperature": 0,
    }
    said = httpx.post(f"{server.url}/v1/chat/completions", json=asked).json()["choices"][0]["message"]["content"]
    assert articles.nth(1).locator("span").evaluate("e => e.textContent") == said
    assert "tokens, first after" in articles.nth(1).locator("small").text_content()
    tab.click("#again")
    tab.wait_for_selector("#send:enabled")
    assert articles.count() == 2
    assert articles.nth(1).locator("span").evaluate("e => e.textContent") == said
    tab.click("#clear")
    assert articles.count() == 0


def test_a_refusal_is_shown(tab: Any, server: Any) -> None:
    tab.goto(server.url)
    tab.wait_for_selector("#model option", state="attached")
    tab.fill("#text", "x" * 600)
    tab.click("#send")
    tab.wait_for_selector("article.error")
    assert "the context holds 512" in tab.locator("article.error").text_content()
    tab.wait_for_selector("#send:enabled")
    assert tab.input_value("#text") == "x" * 600
    tab.fill("#text", "shorter")
    tab.press("#text", "Enter")
    tab.get_by_text("tokens, first after").wait_for()
    assert tab.locator("article.error").count() == 1


def test_an_answer_is_followed_to_its_end(tab: Any, server: Any) -> None:
    tab.set_viewport_size({"width": 500, "height": 300})
    tab.goto(server.url)
    tab.wait_for_selector("#model option", state="attached")
    tab.fill("#text", "Once")
    tab.press("#text", "Enter")
    tab.get_by_text("tokens, first after").wait_for()
    hidden = tab.locator("#log").evaluate("log => log.scrollHeight - log.clientHeight")
    left = hidden - tab.locator("#log").evaluate("log => log.scrollTop")
    assert hidden > 100
    assert left < 60
    assert tab.locator("article").count() == 2


def test_a_key_is_asked_for_and_kept(tab: Any, start: Callable[..., Any], tiny: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("sesame")
    server = start(tiny, "--threads", 1, "--api-key-file", keys)
    tab.goto(server.url)
    tab.get_by_text("the API key is missing").wait_for()
    tab.click("summary")
    tab.fill("#key", "sesame")
    tab.press("#key", "Tab")
    tab.wait_for_selector("#model option", state="attached")
    tab.reload()
    tab.wait_for_selector("#model option", state="attached")
