"""A place to compute in: batches of tokens in, logits or embeddings out, keys and values kept in between."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hub.errors import HubError, UsageError
from hub_runtime.engine._devices import default_threads
from hub_runtime.engine._library import LOG, ONE_AT_A_TIME, library, returning_address
from hub_runtime.engine._signals import heard_afterwards

if TYPE_CHECKING:
    from hub_runtime.engine._model import LoadedModel

Floats = NDArray[np.float32]

# Called by the scheduler with the address of a ggml_tensor: first (tensor, True): whether it is wanted; when it was
# computed (tensor, False). Returning False the second time aborts.
NodeCallback = Callable[[int, bool], bool]

POOLINGS = {"none": 0, "mean": 1, "cls": 2, "last": 3}


class Batch:
    """Tokens to compute together, each with its position and sequence; those marked give logits.

    The arrays are llama.cpp's own view of the batch (llama_batch, llama.h); only the first `n` entries count.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity, self.n = capacity, 0
        self.token, self.position, self.sequence = (np.zeros(capacity, np.int32) for _ in range(3))
        self.wanted = np.zeros(capacity, np.int8)
        self._ones = np.ones(capacity, np.int32)
        at = self.sequence.ctypes.data
        self._pointers = np.arange(at, at + 4 * capacity, 4, dtype=np.uintp)
        self._raw = library().llama_batch(
            0, _pointer(self.token, ctypes.c_int32), None, _pointer(self.position, ctypes.c_int32),
            _pointer(self._ones, ctypes.c_int32), _pointer(self._pointers, ctypes.POINTER(ctypes.c_int32)),
            _pointer(self.wanted, ctypes.c_int8),
        )  # fmt: skip

    @property
    def room(self) -> int:
        """Tokens that still fit."""
        return self.capacity - self.n

    @property
    def raw(self) -> Any:
        """The llama_batch."""
        self._raw.n_tokens = self.n
        return self._raw

    def clear(self) -> None:
        """Forget all tokens."""
        self.n = 0

    def add(self, tokens: Sequence[int], position: int, sequence: int, *, logits: bool | None = None) -> int:
        """Append `tokens` of `sequence` at `position` and on; the index of the last one.

        `logits`: True wants them for every token, False for none, None for the last alone.
        """
        start, stop = self.n, self.n + len(tokens)
        if len(tokens) == 1 and self.room:  # each step of each generation comes this way
            self.token[start], self.position[start], self.sequence[start] = tokens[0], position, sequence
            self.wanted[start] = logits is not False
            self.n = stop
            return start
        if stop > self.capacity:
            raise ValueError(f"{len(tokens)} tokens do not fit into the {self.room} that are left")
        self.token[start:stop] = tokens
        self.position[start:stop] = range(position, position + len(tokens))
        self.sequence[start:stop] = sequence
        self.wanted[start:stop] = bool(logits)
        if logits is None:
            self.wanted[stop - 1] = 1
        self.n = stop
        return stop - 1


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))


class Context:
    """Computes for up to `sequences` independent sequences of `ctx` positions each.

    `threads` None leaves one core free. `batch` is the most tokens of one `decode`. `embeddings` gives embeddings
    instead of logits, pooled as the model says or as `pooling` does (none, mean, cls, last). `on_node` is called for
    every node of the graph (tracing). Each sequence has keys and values of its own, so that what one computes does not
    depend on its neighbours any more than llama.cpp's kernels do.
    """

    def __init__(
        self,
        model: LoadedModel,
        ctx: int,
        *,
        sequences: int = 1,
        threads: int | None = None,
        batch: int = 512,
        embeddings: bool = False,
        pooling: str | None = None,
        on_node: NodeCallback | None = None,
    ) -> None:
        self._c: Any = library()
        self.model, self.sequences, self.embeddings = model, sequences, embeddings
        self.threads = threads or default_threads()
        params = self._params(ctx, batch, pooling)
        self._callback = None
        if on_node is not None:
            self._callback = self._c.ggml_backend_sched_eval_callback(lambda tensor, ask, _: on_node(tensor, ask))
            params.cb_eval = self._callback
        with ONE_AT_A_TIME, ExitStack() as made:
            LOG.lines.clear()
            with heard_afterwards():
                handle = self._c.llama_init_from_model(model.handle, params)
                if handle:
                    made.callback(self._c.llama_free, handle)
            if not handle:
                raise HubError(f"llama.cpp makes no context of {ctx} positions: {LOG.reasons()}", file=model.path)
            self._free = made.pop_all()
        self.handle: int = handle
        self._memory: int | None = self._c.llama_get_memory(handle)
        self._views: dict[int, Floats] = {}
        self._get_logits = returning_address("llama_get_logits_ith")
        self._get_embedding = returning_address("llama_get_embeddings_ith")
        self._get_pooled = returning_address("llama_get_embeddings_seq")
        self._adapt()

    def _params(self, ctx: int, batch: int, pooling: str | None) -> Any:
        params = self._c.llama_context_default_params()
        params.n_ctx = ctx * self.sequences
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = self.sequences
        params.n_threads = params.n_threads_batch = self.threads
        params.kv_unified = self.embeddings  # else llama.cpp cuts a batch at the shortest sequence and pools each part
        params.embeddings = self.embeddings
        if pooling is not None:
            params.pooling_type = POOLINGS[pooling]
        if self.model.gpu_layers == 0:
            params.offload_kqv = params.op_offload = False
        return params

    def _adapt(self) -> None:
        adapters = self.model.adapters
        if adapters:
            handles = (self._c.llama_adapter_lora_p_ctypes * len(adapters))(*(handle for handle, _ in adapters))
            scales = (ctypes.c_float * len(adapters))(*(scale for _, scale in adapters))
            if self._c.llama_set_adapters_lora(self.handle, handles, len(adapters), scales):
                raise UsageError("llama.cpp does not apply the LoRA adapters to this model", file=self.model.path)

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory of the context."""
        self._free.close()

    @property
    def ctx(self) -> int:
        """Positions of one sequence."""
        return int(self._c.llama_n_ctx_seq(self.handle))

    @property
    def batch_size(self) -> int:
        """The most tokens that one `decode` takes."""
        return int(self._c.llama_n_batch(self.handle))

    def batch(self) -> Batch:
        """An empty batch of the size that this context takes."""
        return Batch(self.batch_size)

    def decode(self, batch: Batch) -> None:
        """Compute a batch: its keys and values are kept, its logits or embeddings can be asked for."""
        with heard_afterwards() if self._callback is not None else nullcontext():
            code: int = self._c.llama_decode(self.handle, batch.raw)
        if code:
            why = _CODES.get(code, f"code {code}")
            raise HubError(f"llama.cpp does not compute the batch: {why}; {LOG.reasons()}", file=self.model.path)

    def logits(self, index: int) -> Floats:
        """The logits of token `index` of the last batch, shape (vocabulary,). Valid until the next `decode`."""
        return self._floats(self._get_logits(self.handle, index), self.model.vocab.size)

    def embedding(self, sequence: int) -> Floats:
        """The pooled embedding of a sequence of the last batch, shape (n_embd,). Valid until the next `decode`."""
        return self._floats(self._get_pooled(self.handle, sequence), self._embedding_size)

    def token_embedding(self, index: int) -> Floats:
        """The embedding of token `index` of the last batch when nothing is pooled, shape (n_embd,)."""
        return self._floats(self._get_embedding(self.handle, index), self._embedding_size)

    @property
    def _embedding_size(self) -> int:
        return int(self._c.llama_model_n_embd_out(self.model.handle))

    def _floats(self, address: int | None, count: int) -> Floats:
        """The array at `address`; llama.cpp writes outputs to few places again and again, so the views are kept."""
        if not address:
            raise HubError("the last batch did not compute that", file=self.model.path)
        found = self._views.get(address)
        if found is None or len(found) != count:
            found = np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))
            self._views[address] = found
        return found

    @property
    def pooling(self) -> str:
        """How embeddings are pooled: none, mean, cls, last or rank."""
        kind = int(self._c.llama_pooling_type(self.handle))
        return next((name for name, number in POOLINGS.items() if number == kind), "rank")

    def clear(self) -> None:
        """Forget the keys and values of all sequences."""
        if self._memory:
            self._c.llama_memory_clear(self._memory, True)

    def forget(self, sequence: int, start: int = 0) -> bool:
        """Forget a sequence from position `start`; False when the model's memory cannot be cut there."""
        return not self._memory or bool(self._c.llama_memory_seq_rm(self._memory, sequence, start, -1))

    def copy(self, source: int, target: int) -> None:
        """Let sequence `target` hold what `source` holds."""
        if self._memory:
            self._c.llama_memory_seq_rm(self._memory, target, -1, -1)
            self._c.llama_memory_seq_cp(self._memory, source, target, -1, -1)


_CODES = {1: "no room is left in the context", 2: "it was aborted", -1: "the batch is not valid"}
