"""Values that quantizers find hard, and stored rows with every bit pattern."""

import ctypes
import importlib.util
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.codecs import using
from hub.ir import Bytes, Encoding

Floats = NDArray[np.float32]


def _special(generator: np.random.Generator, value: float) -> Floats:
    x = generator.normal(0, 1, (8, 512))
    x[generator.random(x.shape) < 0.01] = value
    return x.astype(np.float32)


def _all_values() -> dict[str, Floats]:
    generator = np.random.default_rng(7)
    shape = (8, 512)
    zeros = np.zeros(shape, np.float32)
    mixed_zeros = np.where(generator.random(shape) < 0.5, zeros, -zeros)
    above = np.abs(generator.normal(0, 1, shape)) * (generator.random(shape) < 0.3)
    ties = generator.integers(-4, 5, shape) * generator.choice([0.25, 0.5, 1.0], (8, 1))
    return {
        "normal": generator.normal(0, 0.02, shape).astype(np.float32),
        "laplace": generator.laplace(0, 3, shape).astype(np.float32),
        "uniform": generator.uniform(-1, 1, shape).astype(np.float32),
        "mixed scales": (generator.normal(0, 1, shape) * 10.0 ** generator.integers(-12, 12, shape)).astype(np.float32),
        "zeros": zeros,
        "zeros of both signs": mixed_zeros.astype(np.float32),
        "least is zero": (above * np.where(generator.random(shape) < 0.5, 1, -0.0)).astype(np.float32),
        "constant": np.full(shape, 0.37, np.float32),
        "negative constant": np.full(shape, -0.37, np.float32),
        "equal extremes": np.where(generator.random(shape) < 0.5, 2, -2).astype(np.float32),
        "ties": ties.astype(np.float32),
        "huge": generator.normal(0, 1e37, shape).astype(np.float32),
        "tiny": generator.normal(0, 1e-8, shape).astype(np.float32),
        "subnormal": generator.normal(0, 1e-40, shape).astype(np.float32),
        "with NaN": _special(generator, np.nan),
        "with inf": _special(generator, np.inf),
        "with -inf": _special(generator, -np.inf),
    }


VALUES = _all_values()


@pytest.fixture(autouse=True)
def by_numpy() -> Iterator[None]:
    """Tests here are about the reference, unless they name another codec."""
    with using("numpy"):
        yield


@pytest.fixture(params=VALUES)
def hard(request: pytest.FixtureRequest) -> Floats:
    """One array of values, float32 [8, 512], that some quantizer could get wrong."""
    return VALUES[request.param]


@pytest.fixture(
    params=["normal", "laplace", "uniform", "mixed scales", "zeros", "constant", "negative constant", "ties"]
)
def finite(request: pytest.FixtureRequest) -> Floats:
    """One array of ordinary values, float32 [8, 512]."""
    return VALUES[request.param]


@pytest.fixture
def stored() -> Callable[[Encoding, int, int], Bytes]:
    """Random stored rows of an encoding: every bit pattern, NaN and infinite scales among them."""

    def make(encoding: Encoding, rows: int, columns: int) -> Bytes:
        generator = np.random.default_rng(encoding.nbytes)
        return generator.integers(0, 256, (rows, encoding.row_nbytes(columns)), dtype=np.uint8)

    return make


@pytest.fixture
def in_threads() -> Callable[[Callable[[], Bytes]], list[Bytes]]:
    """Runs work in four threads, several times each."""

    def run(work: Callable[[], Bytes]) -> list[Bytes]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda _: work(), range(16)))

    return run


@pytest.fixture(scope="session")
def ggml() -> ctypes.CDLL:
    """ggml's base library, which comes with llama-cpp-python; skips without it."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        pytest.skip("llama-cpp-python is not installed")
    found = [path for path in (Path(spec.origin).parent / "lib").glob("*ggml-base.*") if path.suffix != ".lib"]
    if not found:
        pytest.skip("this llama-cpp-python has no ggml library of its own")
    return ctypes.CDLL(str(found[0]))


@pytest.fixture(scope="session")
def ggml_encode(ggml: ctypes.CDLL) -> Callable[[int, Encoding, Floats], Bytes]:
    """Rows of values as `ggml_quantize_chunk` encodes them without an importance matrix; first ggml's number."""
    quantize = ggml.ggml_quantize_chunk
    quantize.restype, size = ctypes.c_size_t, ctypes.c_int64
    quantize.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, size, size, size, ctypes.c_void_p]

    def encode(number: int, encoding: Encoding, values: Floats) -> Bytes:
        rows, columns = values.shape
        out = np.empty((rows, encoding.row_nbytes(columns)), np.uint8)
        assert quantize(number, values.ctypes.data, out.ctypes.data, 0, rows, columns, None) == out.size
        return out

    return encode
