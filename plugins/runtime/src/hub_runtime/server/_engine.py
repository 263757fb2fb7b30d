"""One model, one thread: it owns the model, its contexts and its slots, and answers what lies in its inbox."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from hub.errors import UsageError
from hub_runtime.engine import Context, Generation, LoadedModel, Request, Slots
from hub_runtime.loading import load_any
from hub_runtime.server._answer import Answer, Part, Piece
from hub_runtime.server._config import Config
from hub_runtime.server._courier import Courier
from hub_runtime.server._errors import busy, invalid, unavailable
from hub_runtime.server._log import log, silenced
from hub_runtime.server._metrics import Metrics
from hub_runtime.server._queue import Full, Inbox

T = TypeVar("T")

# Positions of a request where neither --ctx nor a smaller model says otherwise: memory grows with it.
_USUAL_CTX = 4096
# A prompt waits for another that is being read when it begins with so many tokens of it, and with half of its own.
_WORTH_WAITING = 32


class Engine:
    """The engine of one model. `start` it in the event loop, use it when `state` is "ready", `stop` it.

    `model`, `slots` (None: the model only gives embeddings), `embedder` (None: it gives none) and `ctx`, the positions
    of one request, are there once it is ready. `failure` says why it is not.
    """

    model: LoadedModel
    slots: Slots | None = None
    embedder: Context | None = None
    ctx: int = 0

    def __init__(self, name: str, path: Path, config: Config, metrics: Metrics) -> None:
        self.name, self.path, self.config, self.metrics = name, path, config, metrics
        self._seen = metrics.of(name)
        self.state: Literal["loading", "ready", "failed", "stopped"] = "loading"
        self.failure: Exception | None = None
        self.inbox = Inbox(config.parallel + config.queue)
        self._running: dict[Generation, Part] = {}
        self._thread = threading.Thread(target=self._live, name=f"engine {name}", daemon=True)

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to load; `changed` is called in the event loop when `state` changed."""
        self._loop = asyncio.get_running_loop()
        self._courier = Courier(self._loop, self.name)
        self._changed = changed
        self._thread.start()

    def stop(self) -> None:
        """End the thread: what is unfinished is answered with a 503, and the memory is freed."""
        for answer in self.inbox.close():
            self._post(answer.post, unavailable("the server is stopping"))
        if self.state != "loading":  # loading cannot be interrupted; the process ends without it
            self._thread.join()
        self._courier.close()

    def submit(self, requests: Sequence[Request]) -> Answer:
        """Queue the generations of one HTTP request. `ApiError` 429 when there is no room, 503 when not ready."""
        self.need_ready()
        if self.slots is None:
            raise invalid(f"the model {self.name} gives embeddings; it does not generate text", "model")
        if len(requests) > self.inbox.capacity:
            raise invalid(f"{len(requests)} generations at once: this server holds {self.inbox.capacity}", "n")
        answer = Answer(requests, self._loop)
        try:
            self.inbox.put(answer)
        except Full:
            self._seen.refused.inc()
            raise busy() from None
        return answer

    def cancel(self, answer: Answer) -> None:
        """Nobody waits for `answer` any more: free its slots and its places in the queue."""
        gone = self.inbox.cancel(answer)
        self._seen.cancelled.inc(gone)

    async def compute(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """The results of functions run in the engine's thread, each between two steps. Errors as for `submit`."""
        self.need_ready()
        futures = [self._loop.create_future() for _ in calls]
        try:
            self.inbox.put_calls([partial(self._call, *pair) for pair in zip(calls, futures, strict=True)])
        except Full:
            self._seen.refused.inc()
            raise busy() from None
        try:
            return list(await asyncio.gather(*futures))
        finally:
            for future in futures:
                future.cancel()
            self.inbox.done()

    def need_ready(self) -> None:
        """`ApiError` 503 unless the model is there."""
        if self.state != "ready":
            raise unavailable(f"the model {self.name} is {self.state}")

    def _call(self, call: Callable[[], T], future: asyncio.Future[T]) -> None:
        """In the engine's thread: run `call` unless nobody waits for it."""
        if future.cancelled():
            return
        try:
            result = call()
        except Exception as error:  # whatever happens belongs to the caller
            self._post(_settle, future, None, error)
        else:
            self._post(_settle, future, result, None)

    def _deliver(self, news: Sequence[tuple[Part, Piece]], now: float) -> None:
        """Count what a step made at the time `now`, and hand it to the answers it belongs to."""
        for part, piece in news:
            self._measure(part, now)
            part.answer.post(piece)

    def _measure(self, part: Part, now: float) -> None:
        seen = self._seen
        seen.generated_tokens.inc()
        if part.told:
            seen.between.observe(now - part.last)
        elif part.generation is not None:
            counters = part.generation.counters
            seen.first.observe(now - part.answer.arrived)
            seen.prompt_tokens.inc(counters.prompt_tokens)
            seen.cached_tokens.inc(counters.cached_tokens)
        part.last, part.told = now, True

    # From here on: the engine's own thread.

    def _live(self) -> None:
        try:
            with ExitStack() as stack:
                self._load(stack)
                self._become("ready")
                while self._running or self.inbox.wait():
                    if self.inbox.closed:
                        break
                    self._turn()
                self._abandon(unavailable("the server is stopping"))
                self.state = "stopped"
        except Exception as error:  # the model does not load, or we are wrong: the server ends, with the reason
            self.failure = error
            self._abandon(error)
            self._become("failed")

    def _become(self, state: Literal["ready", "failed"]) -> None:
        self.state = state
        self._post(self._changed)

    def _post(self, call: Callable[..., None], *args: object) -> None:
        self._courier.post(partial(call, *args))

    def _load(self, stack: ExitStack) -> None:
        log("model_loading", model=self.name, path=str(self.path))
        loaded = stack.enter_context(load_any(self.config.wanted(self.path)))
        self.model = model = loaded.model
        self.ctx = self.config.ctx or min(model.n_ctx_train, _USUAL_CTX)
        pooled = any(key.endswith(".pooling_type") and value != "0" for key, value in model.metadata.items())
        if pooled or self.config.pooling:
            self.embedder = stack.enter_context(self._embedder())
        elif not model.generates:
            raise UsageError("the model gives embeddings, and does not say how", file=self.path, hint="add --pooling")
        if model.generates and not pooled:
            context = model.context(self.ctx, sequences=self.config.parallel, threads=self.config.threads)
            self.ctx = stack.enter_context(context).ctx
            self.slots = Slots(context, reuse=True)
        self._watch()
        log(
            "model_ready", model=self.name, format=loaded.format, description=model.description,
            parameters=model.n_params, bytes=model.nbytes, layers=model.n_layer, embedding=model.n_embd,
            vocabulary=model.vocab.size, context=self.ctx, parallel=self.config.parallel,
            mmap=model.mmap, load_seconds=round(model.load_seconds, 3), bridge_seconds=round(loaded.bridge_seconds, 3),
        )  # fmt: skip

    def _embedder(self) -> Context:
        return self.model.context(
            self.ctx, threads=self.config.threads, batch=self.ctx, embeddings=True, pooling=self.config.pooling
        )

    def _watch(self) -> None:
        watch = partial(self.metrics.watch, model=self.name)
        watch("queue_depth", read=lambda: self.inbox.depth)
        watch("slots_active", read=lambda: len(self._running))
        watch("slots", read=lambda: self.config.parallel if self.slots else 0)
        watch("kv_tokens", read=lambda: self.slots.held_tokens if self.slots else 0)
        watch("kv_capacity_tokens", read=lambda: self.ctx * self.config.parallel if self.slots else 0)
        watch("model_bytes", read=lambda: self.model.nbytes)
        watch("load_seconds", read=lambda: self.model.load_seconds)

    def _turn(self) -> None:
        """One round: calls, cancellations, new requests, one step."""
        started = time.perf_counter()
        call = self.inbox.next_call()
        if call is not None:
            call()
        if self.slots is not None:
            self._forget_cancelled(self.slots)
            self._admit(self.slots)
            if self._running:
                self._step(self.slots)
        self._seen.busy.inc(time.perf_counter() - started)

    def _forget_cancelled(self, slots: Slots) -> None:
        for generation, part in list(self._running.items()):
            if part.answer.cancelled:
                slots.cancel(generation)
                self._ended(generation)
                self._seen.cancelled.inc()

    def _admit(self, slots: Slots) -> None:
        while slots.free:
            part = self.inbox.next_part(self._ready)
            if part is None:
                return
            try:
                with silenced() if part.request.settings.grammar else nullcontext():
                    part.generation = generation = slots.add(part.request)
            except Exception as error:  # the request's fault (its grammar, its length) or ours: its alone in any case
                self._refuse(part, error)
                continue
            self._running[generation] = part
            self._seen.queued.observe(generation.counters.started - part.answer.arrived)
            self._post(part.answer.admit)

    def _refuse(self, part: Part, error: Exception) -> None:
        self.inbox.done()
        self.inbox.cancel(part.answer)
        self._post(part.answer.post, error)

    def _ready(self, part: Part) -> bool:
        """False while half of the prompt or more is being read for another request: it will be there to copy."""
        prompt = part.request.prompt
        head = prompt[: max(_WORTH_WAITING, len(prompt) // 2)]
        reading = (g.request.prompt for g in self._running if g.counters.first_token is None)
        return len(prompt) < _WORTH_WAITING or all(other[: len(head)] != head for other in reading)

    def _step(self, slots: Slots) -> None:
        before = slots.decode_seconds
        try:
            made = slots.step()
        except Exception as error:  # the batch failed as a whole: nothing of it can be saved
            log("engine_error", level=logging.ERROR, error=error, model=self.name, generations=len(self._running))
            self._abandon(error)
            return
        self._seen.steps.inc()
        self._seen.decoding.inc(slots.decode_seconds - before)
        now = time.perf_counter()
        news: list[tuple[Part, Piece]] = []
        for generation, token in made:
            part = self._running[generation]
            news.append((part, Piece(part.number, token, generation.finish)))
            if generation.finish is not None:
                self._ended(generation)
        if news:
            self._post(self._deliver, news, now)
        self._drop_failed()

    def _drop_failed(self) -> None:
        """Answer with the error what failed alone."""
        for generation, part in list(self._running.items()):
            if generation.failure is not None:
                self._ended(generation)
                self.inbox.cancel(part.answer)
                self._post(part.answer.post, generation.failure)

    def _ended(self, generation: Generation) -> None:
        del self._running[generation]
        self.inbox.done()

    def _abandon(self, error: Exception) -> None:
        """Answer everything under way with `error`."""
        for generation, part in list(self._running.items()):
            if self.slots is not None:
                self.slots.cancel(generation)
            self._ended(generation)
            self.inbox.cancel(part.answer)
            self._post(part.answer.post, error)


def _settle(future: asyncio.Future[T], result: T, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
