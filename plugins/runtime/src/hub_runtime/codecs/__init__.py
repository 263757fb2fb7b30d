"""libggml's own kernels as a codec: every block type decodes, and every one that it can encode encodes."""

from hub_runtime.codecs._ggml import Ggml, ggml

__all__ = ["Ggml", "ggml"]
