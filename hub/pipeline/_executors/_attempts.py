"""Having pieces done, and done again where a worker was lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait

from hub.errors import HubError
from hub.pipeline._executors._engines import Engine
from hub.pipeline._executors._work import Done, Work, do
from hub.pipeline._shares import Piece

ATTEMPTS = 3
"""How often a piece is begun before the conversion gives up."""


def run(
    engine: Engine, work: Work, path: str, pieces: Iterable[Piece], done: Callable[[Piece, Done], None]
) -> list[str]:
    """Have `pieces` of the file at `path` written; `done` is called here, for each. What failed on the way, in words.

    A piece whose worker is lost, or that fails for a reason outside the model, begins again, `ATTEMPTS` times in all;
    what is wrong with the model (`HubError`) ends the work at once. Only a few pieces are given out at a time.
    """
    waiting = deque((piece, 1) for piece in pieces)
    out: dict[Future[Done], tuple[Piece, int]] = {}
    failed: list[str] = []
    while waiting or out:
        while waiting and len(out) < engine.width:
            item = waiting.popleft()
            out[engine.submit(do, work, path, item[0])] = item
        finished, _ = wait(out, return_when=FIRST_COMPLETED)
        for future in finished:
            piece, attempt = out.pop(future)
            problem = _problem(future)
            if problem is None:
                done(piece, future.result())
                continue
            failed.append(f"bytes {piece} of {path.rpartition('/')[2]}, attempt {attempt}: {problem}")
            if attempt == ATTEMPTS:
                raise HubError(f"--executor {engine.name}: gave up: {failed[-1]}", file=path)
            waiting.appendleft((piece, attempt + 1))
    return failed


def _problem(future: Future[Done]) -> str | None:
    """Why the piece was not done, where another attempt may do it; raises what makes that useless."""
    try:
        future.result()
    except HubError:
        raise
    except Exception as error:  # a lost worker has another class in every engine
        return f"{type(error).__name__}: {error}"
    return None
