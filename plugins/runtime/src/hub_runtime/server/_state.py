"""What all endpoints share: the engines, the metrics, the keys, and whether the server is stopping."""

from __future__ import annotations

import time
from typing import Literal, cast

from starlette.requests import Request

from hub_runtime.server._config import Config
from hub_runtime.server._engine import Engine
from hub_runtime.server._errors import ApiError
from hub_runtime.server._keys import Keys
from hub_runtime.server._metrics import Metrics
from hub_runtime.server._traces import Traces

Status = Literal["ok", "loading", "failed", "stopping"]


class State:
    """One server. `draining`: no new work is taken; `in_flight`: requests whose response is not complete."""

    def __init__(self, config: Config, keys: Keys) -> None:
        self.config, self.keys = config, keys
        self.metrics = Metrics()
        self.traces = Traces(config.traces) if config.traces else None
        self.engines = {m.called: Engine(m.called, m.path, config, self.metrics) for m in config.models}
        self.draining = False
        self.in_flight = 0
        self.created = int(time.time())

    def find(self, model: str | None) -> Engine:
        """The engine of `model`, the first one's without a name; `ApiError` 404 for a name that is not served."""
        if model is None:
            return next(iter(self.engines.values()))
        if model not in self.engines:
            known = ", ".join(self.engines)
            message = f"there is no model {model[:100]!r}; served: {known}"
            raise ApiError(404, message, param="model", code="model_not_found")
        return self.engines[model]

    @property
    def status(self) -> Status:
        """Whether requests are taken, and why not."""
        states = {engine.state for engine in self.engines.values()}
        if self.draining:
            return "stopping"
        if "failed" in states or "stopped" in states:
            return "failed"
        return "loading" if "loading" in states else "ok"

    @property
    def failure(self) -> Exception | None:
        """Why a model is not there."""
        return next((engine.failure for engine in self.engines.values() if engine.failure), None)


def state_of(request: Request) -> State:
    """The server that `request` came to."""
    return cast("State", request.app.state.server)
