"""Any tensors at all, written by us and by the reference library, read by both."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save

from hub.interface import Options
from hub.ir import ENCODINGS, Model, Tensor
from hub.pipeline import Copier, Silent, Target, default_budget
from hub_safetensors import SafeTensors
from hub_safetensors._foreign import SCHEMES
from hub_safetensors.container import METADATA

TYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I64": np.int64, "U8": np.uint8, "I16": np.int16}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NAMES = TEXTS.filter(lambda name: name != METADATA and not name.endswith((*SCHEMES, ".scales")))  # told as no weights
SPECS = st.tuples(st.sampled_from(sorted(TYPES)), st.lists(st.integers(0, 4), max_size=4))


def _arrays(specs: dict[str, tuple[str, list[int]]]) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    random = np.random.default_rng(len(specs))
    return {name: random.integers(0, 100, shape).astype(TYPES[kind]) for name, (kind, shape) in specs.items()}


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(NAMES, SPECS, min_size=1, max_size=8))
def test_both_ways(specs: dict[str, tuple[str, list[int]]]) -> None:
    arrays = _arrays(specs)
    fmt = SafeTensors()
    tensors = {
        name: Tensor.from_bytes(name, array.shape, ENCODINGS[specs[name][0]], array.tobytes())
        for name, array in arrays.items()
    }
    with TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.safetensors", Path(folder) / "theirs.safetensors"
        theirs.write_bytes(save(arrays, metadata={"format": "pt"}))
        plan = fmt.plan(Model(tensors, naming="native"), Options())
        with Target(ours, Copier(default_budget(), Silent()), folder=False, overwrite=False) as target:
            fmt.write(plan, target, Options())
            target.commit()
        assert {n: a.tobytes() for n, a in load_file(ours).items()} == {n: a.tobytes() for n, a in arrays.items()}
        for path in (ours, theirs):
            back = fmt.read(path)
            assert {n: (t.shape, t.read()) for n, t in back.tensors.items()} == {
                n: (a.shape, a.tobytes()) for n, a in arrays.items()
            }
