"""Small models in every format, a store of their own, the program in this process, and a real registry server."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import save_file

import hub_registry
from hub.cli import main
from hub.pipeline import Silent
from hub_registry import Store, _views, add
from hub_registry._names import parse

SCHEMAS = Path(hub_registry.__file__).parent / "schemas"
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 16,
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
    "tie_word_embeddings": False, "torch_dtype": "float32",
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        return json.loads(self.out)


def hub(*args: object) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(a) for a in args])
    return Ran(code, out.getvalue(), err.getvalue())


def document(schema: str, *args: object) -> tuple[int, Any]:
    """Exit code and the one JSON document, which is as its schema says."""
    ran = hub(*args, "--json")
    told = ran.told
    assert next(iter(told)) == "schema"
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text())).validate(told)
    return ran.code, told


def let_go() -> None:
    """Use no view any more, as at the end of a process."""
    for fd in _views._held.values():
        os.close(fd)
    _views._held.clear()


def put(store: Store, name: str, *paths: Path, force: bool = False) -> str:
    return add(store, parse(name), paths, Silent(), by="ada@here", force=force).manifest.digest


def write_folder(path: Path, seed: int = 4) -> Path:
    rng = np.random.default_rng(seed)
    layer = {"input_layernorm": (32,), "post_attention_layernorm": (32,), "mlp.down_proj": (32, 64)}
    layer |= {f"self_attn.{n}_proj": (32, 32) for n in "qkvo"} | {f"mlp.{n}_proj": (64, 32) for n in ("gate", "up")}
    shapes = {"model.embed_tokens.weight": (16, 32), "lm_head.weight": (16, 32), "model.norm.weight": (32,)}
    shapes |= {f"model.layers.0.{n}.weight": s for n, s in layer.items()}
    path.mkdir(parents=True)
    save_file({n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(CONFIG))
    (path / "README.md").write_text("---\nlicense: mit\n---\n# Tiny\n")
    (path / "LICENSE").write_text("MIT")
    (path / "empty.txt").touch()
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling" / "config.json").write_text("{}")
    return path


@dataclass(frozen=True)
class Models:
    """One model as a folder and an APR file, and a second one as an APR file."""

    folder: Path
    apr: Path
    other: Path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Server:
    """A registry server that listens on this machine, and the folder that it keeps everything in."""

    port: int
    data: Path

    def address(self, path: str) -> str:
        return f"oci://127.0.0.1:{self.port}/{path}"

    def blob(self, digest: str) -> Path:
        """Where the server keeps a blob."""
        sha = digest.removeprefix("sha256:")
        return self.data / "docker/registry/v2/blobs/sha256" / sha[:2] / sha / "data"

    def tags(self, repository: str) -> list[str]:
        url = f"http://127.0.0.1:{self.port}/v2/{repository}/tags/list"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return list(json.load(answer)["tags"] or ())
        except urllib.error.HTTPError as error:
            with error:
                return []


# user:secret, as `htpasswd -nbB` writes it
HTPASSWD = "user:$2b$05$5VeBYF/AgbPqnCEOFDKGxOXCMeMIGHpWYLIyfMhBVu0UxrdmzTUjm\n"


@contextlib.contextmanager
def running(folder: Path, *, auth: bool = False) -> Iterator[Server]:
    """Debian's docker-registry (distribution 2.8) on a free port; skips, saying so, where it is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed: no push and no pull was tried against a real registry")
    server = Server(free_port(), folder / "data")
    (folder / "htpasswd").write_text(HTPASSWD)
    lines = [
        "version: 0.1", "log: {level: error, accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {server.data}}}}}", f"http: {{addr: '127.0.0.1:{server.port}'}}",
    ]  # fmt: skip
    lines += [f"auth: {{htpasswd: {{realm: registry, path: {folder / 'htpasswd'}}}}}"] if auth else []
    (folder / "config.yml").write_text("\n".join(lines) + "\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        for _ in range(200):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", server.port)) == 0:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(10)
