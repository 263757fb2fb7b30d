"""Writing a plan's tensors piece by piece: here, in other processes of this machine, or on a Dask or Ray cluster."""

from hub.pipeline._executors._attempts import ATTEMPTS, run
from hub.pipeline._executors._engines import ENGINES, Engine, engine
from hub.pipeline._executors._spread import Spread
from hub.pipeline._executors._work import Done, Work, do, write

__all__ = ["ATTEMPTS", "ENGINES", "Done", "Engine", "Spread", "Work", "do", "engine", "run", "write"]
