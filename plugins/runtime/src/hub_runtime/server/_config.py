"""What `hub serve` is told: flags over the configuration file over defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hub.errors import UsageError


class Config(BaseModel):
    """All settings of the server; the configuration file's keys are these names with "-" for "_".

    `ctx` are the positions of one request (None: the model's own, at most 4096); `parallel` requests are answered at
    once and `queue` more wait. `pooling` makes a generating model give embeddings too. `traces` is an
    OTLP/HTTP address. `drain_timeout` in seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda n: n.replace("_", "-"))

    models: tuple[Path, ...] = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    threads: int | None = Field(default=None, ge=1, le=1024)
    parallel: int = Field(default=4, ge=1, le=256)
    ctx: int | None = Field(default=None, ge=8)
    queue: int = Field(default=64, ge=0, le=1_000_000)
    gpu: bool | None = None
    gpu_layers: int | None = Field(default=None, ge=0)
    pooling: Literal["mean", "cls", "last"] | None = None
    api_key_file: Path | None = None
    replicas: int = Field(default=1, ge=1, le=64)
    traces: str | None = Field(default=None, pattern="^https?://")
    drain_timeout: float = Field(default=30.0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.gpu is not None and self.gpu_layers is not None and self.gpu != (self.gpu_layers > 0):
            raise ValueError("gpu and gpu-layers contradict each other")
        return self

    @property
    def layers(self) -> int | None:
        """Layers on the GPU, as `hub_runtime.engine.load` takes them."""
        return self.gpu_layers if self.gpu_layers is not None else {None: None, True: -1, False: 0}[self.gpu]

    @property
    def names(self) -> list[str]:
        """How clients call the models: the file's name without its extension, or the folder's name."""
        return [path.name if path.is_dir() else path.stem for path in (p.resolve() for p in self.models)]


# Keys whose value is a path, relative to the configuration file.
_PATHS = ("models", "api-key-file")


def config_of(flags: Mapping[str, Any], file: Path | None) -> Config:
    """The configuration that `flags` (those not None; names as fields) and the TOML `file` make together.

    `UsageError` for unknown keys, wrong values, models of one name.
    """
    given = _read(file) if file is not None else {}
    given |= {name.replace("_", "-"): value for name, value in flags.items() if value not in (None, ())}
    try:
        made = Config.model_validate(given)
    except ValidationError as error:
        raise UsageError(_problems(error), file=file, hint="hub serve --help lists the settings") from None
    twice = sorted({name for name in made.names if made.names.count(name) > 1})
    if twice:
        raise UsageError(f"two models are called {twice[0]}: clients could not tell them apart")
    return made


def _read(file: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the configuration is not TOML: {error}", file=file) from error
    except OSError as error:
        raise UsageError(f"the configuration cannot be read: {error.strerror}", file=file) from error
    for key in _PATHS:
        if isinstance(found.get(key), str):
            found[key] = file.parent / found[key]
        elif isinstance(found.get(key), list):
            found[key] = [file.parent / item if isinstance(item, str) else item for item in found[key]]
    return found


def _problems(error: ValidationError) -> str:
    found = [(".".join(map(str, e["loc"])), e) for e in error.errors()]
    return "; ".join(
        f"there is no setting {name!r}" if e["type"] == "extra_forbidden" else f"{name}: {e['msg']}"
        for name, e in found
    )
