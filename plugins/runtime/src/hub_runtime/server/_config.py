"""What `hub serve` is told: flags over the configuration file over defaults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from hub.errors import UsageError
from hub_runtime.engine import Adapter
from hub_runtime.loading import Wanted, layers

_NAME = r"^\w[\w.:-]*$"


class Served(BaseModel):
    """A model to serve: its `path`, and the `name` that clients call it by.

    Without one it is called what its file is called, without the extension, or its folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    name: Annotated[str, Field(pattern=_NAME)] | None = None

    @property
    def called(self) -> str:
        """The name in use."""
        path = self.path.resolve()
        return self.name or (path.name if path.is_dir() else path.stem)


def _spelled(given: Any) -> Any:
    """The fields of `Served` that "NAME=PATH" or "PATH" says; a path that exists is one, whatever is in it."""
    if not isinstance(given, str | Path):
        return given
    name, equals, path = str(given).partition("=")
    named = equals and path and re.match(_NAME, name) and not Path(given).exists()
    return {"path": path, "name": name} if named else {"path": given}


class Config(BaseModel):
    """All settings of the server; the configuration file's keys are these names with "-" for "_".

    `models` are paths, "NAME=PATH" or tables of both. `ctx` are the positions of one request (None: the model's own, at
    most 4096); `parallel` requests are answered at once and `queue` more wait. `gpu_layers` -1 is all of them.
    `mmap` None copies the weights to memory where there is room, and for a single replica. `pooling` makes a generating
    model give embeddings too. `lora` ("FILE[=SCALE]"), `assume` and `pre` are as for `hub run`, and for a single model.
    `traces` is an OTLP/HTTP address. `drain_timeout` in seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda n: n.replace("_", "-"))

    models: tuple[Annotated[Served, BeforeValidator(_spelled, json_schema_input_type=str | Served)], ...] = Field(
        min_length=1
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    threads: int | None = Field(default=None, ge=1, le=1024)
    parallel: int = Field(default=4, ge=1, le=256)
    ctx: int | None = Field(default=None, ge=8)
    queue: int = Field(default=64, ge=0, le=1_000_000)
    gpu: bool | None = None
    gpu_layers: int | None = Field(default=None, ge=-1)
    mmap: bool | None = None
    lora: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    bridge: Literal["cache", "memory"] = "cache"
    assume: tuple[str, ...] = ()
    pre: str | None = None
    pooling: Literal["mean", "cls", "last"] | None = None
    api_key_file: Path | None = None
    replicas: int = Field(default=1, ge=1, le=64)
    traces: str | None = Field(default=None, pattern="^https?://")
    drain_timeout: float = Field(default=30.0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        layers(self.gpu, self.gpu_layers)
        for name in ("lora", "assume", "pre") if len(self.models) > 1 else ():
            if getattr(self, name):
                raise ValueError(f"{name} is for one model, and {len(self.models)} are served")
        return self

    def wanted(self, model: Path) -> Wanted:
        """What to load for `model`."""
        adapters = [Adapter.parse(text) for text in self.lora]
        return Wanted(model, layers(self.gpu, self.gpu_layers), adapters, self.bridge, self.assume, self.pre, self.mmap)

    @property
    def names(self) -> list[str]:
        """How clients call the models."""
        return [served.called for served in self.models]


# Keys whose value is a path, relative to the configuration file.
_PATHS = ("api-key-file", "lora")


def config_of(flags: Mapping[str, Any], file: Path | None) -> Config:
    """The configuration that `flags` (those not None; names as fields) and the TOML `file` make together.

    `UsageError` for unknown keys, wrong values, models of one name.
    """
    given = _read(file) if file is not None else {}
    given |= {name.replace("_", "-"): value for name, value in flags.items() if value not in (None, (), [])}
    try:
        made = Config.model_validate(given)
    except ValidationError as error:
        raise UsageError(_problems(error), file=file, hint="hub serve --help lists the settings") from None
    twice = sorted({name for name in made.names if made.names.count(name) > 1})
    if twice:
        message = f"two models are called {twice[0]}: clients could not tell them apart"
        raise UsageError(message, hint="NAME=PATH gives a model another name")
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
            found[key] = str(file.parent / found[key])
        elif isinstance(found.get(key), list):
            found[key] = [str(file.parent / item) if isinstance(item, str) else item for item in found[key]]
    if isinstance(found.get("models"), list):
        found["models"] = [_beside(file, _spelled(item)) for item in found["models"]]
    return found


def _beside(file: Path, model: Any) -> Any:
    """A model whose path is relative to the configuration `file`."""
    path = model.get("path") if isinstance(model, dict) else None
    return {**model, "path": str(file.parent / path)} if isinstance(path, str) else model


def _problems(error: ValidationError) -> str:
    found = [(".".join(map(str, e["loc"])), e) for e in error.errors()]
    return "; ".join(
        f"there is no setting {name!r}" if e["type"] == "extra_forbidden" else f"{name}: {e['msg']}"
        for name, e in found
    )
