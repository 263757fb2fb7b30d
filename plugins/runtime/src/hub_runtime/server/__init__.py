"""An OpenAI-compatible HTTP server: models of any format, answered by llama.cpp in continuous batches.

One `Engine` per model is one thread that owns the model, its context and its slots; requests reach it through a
bounded queue and their tokens come back to the event loop. `serve(Config(...))` runs until SIGTERM or SIGINT.
"""

from hub_runtime.server._config import Config, config_of
from hub_runtime.server._serve import serve

__all__ = ["Config", "config_of", "serve"]
