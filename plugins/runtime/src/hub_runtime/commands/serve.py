"""`hub serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.cli import model_path
from hub_runtime.commands import options as o


def serve(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=]MODEL...", help="Models in any format, under their names.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings in TOML, named as the flags.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option("--port", "-p", help="Port; 8080 by default, 0 takes a free one.")] = None,
    threads: o.Threads = None,
    parallel: Annotated[
        int | None, typer.Option("--parallel", "-np", help="Requests answered at once; 4 by default.")
    ] = None,
    ctx: Annotated[
        int | None,
        typer.Option(
            "--ctx", "--ctx-size", "--context-length", "-c", help="Positions of one request; the model's, at most 4096."
        ),
    ] = None,
    queue: Annotated[int | None, typer.Option(help="Requests that wait before others are refused; 64.")] = None,
    pooling: Annotated[
        str | None, typer.Option(metavar="mean|cls|last", help="Take embeddings of generating models too, like this.")
    ] = None,
    gpu: o.Gpu = None,
    gpu_layers: o.GpuLayers = None,
    mmap: o.Mmap = None,
    lora: o.Lora = None,
    bridge: Annotated[
        str | None, typer.Option(metavar="cache|memory", help="Where the GGUF made of another format goes; cache.")
    ] = None,
    assume: o.Assume = None,
    pre: o.Pre = None,
    api_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ask for one of the API keys in FILE, one a line.")
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(help="Processes that share the work; one that dies is started again. 1 by default.")
    ] = None,
    traces: Annotated[
        str | None,
        typer.Option(
            "--traces", "--otlp-endpoint", metavar="URL", help="Send OpenTelemetry traces to this OTLP/HTTP address."
        ),
    ] = None,
    drain_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long SIGTERM waits for answers under way; 30.")
    ] = None,
) -> int:
    """Serve models over HTTP, as OpenAI's API has it.

    Endpoints: /v1/completions, /v1/chat/completions, /v1/embeddings, /v1/models, /health, /metrics. A request without
    "model" goes to the first. The log is JSON lines on standard error.
    """
    if models and models[0] == "run" and not Path("run").exists():  # as `apr` spells it
        models = models[1:]
    models = models and [_placed(model) for model in models]
    flags = {name: value for name, value in locals().items() if name != "config"}
    from hub_runtime.server import config_of
    from hub_runtime.server import serve as run

    return run(config_of(flags, config))


def _placed(model: str) -> str:
    """[NAME=]MODEL with the path that MODEL means."""
    name, equals, path = model.partition("=")
    if not equals or Path(model).exists():
        return str(model_path(model))
    return f"{name}={model_path(path)}"
