"""The house's own rules about where things live."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(
    p.parent
    for folder in (ROOT / "hub", *(ROOT / "plugins").glob("*/src"), ROOT / "conformance" / "src")
    for p in folder.rglob("__init__.py")
)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_nothing_shadows_the_packages_gguf_and_safetensors() -> None:
    assert not list((ROOT / "plugins").glob("*/__init__.py"))
    code = "import gguf, safetensors; print(gguf.__file__, safetensors.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "plugins", capture_output=True, text=True, check=True
    )
    assert not [file for file in done.stdout.split() if Path(file).is_relative_to(ROOT / "plugins")]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_package_lists_the_public_names_of_its_private_modules(package: Path) -> None:
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    private = [n for n in tree.body if isinstance(n, ast.ImportFrom) and _is_private(n.module)]
    given = {a.asname or a.name for n in private for a in n.names}
    listed = [set(ast.literal_eval(n.value)) for n in tree.body if isinstance(n, ast.Assign) and _is_all(n)]
    assert given <= set().union(*listed), "names imported in __init__.py and missing in __all__"


def _is_private(module: str | None) -> bool:
    return module is not None and module.split(".")[-1].startswith("_") and module != "__future__"


def _is_all(node: ast.Assign) -> bool:
    return any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)


def test_the_hub_imports_no_plugin_and_no_format_library() -> None:
    banned = {
        "gguf",
        "safetensors",
        "tokenizers",
        "llama_cpp",
        "hub_gguf",
        "hub_safetensors",
        "hub_apr",
        "hub_runtime",
        "hub_sources",
        "hub_data",
        "hub_deploy",
        "hub_registry",
        "huggingface_hub",
        "oras",
        "torch",
    }
    for path in (ROOT / "hub").rglob("*.py"):
        assert banned.isdisjoint(name.split(".")[0] for name in imports(path)), path


def test_plugins_know_the_hub_and_not_each_other() -> None:
    for source in (ROOT / "plugins").glob("*/src/*"):
        names = ("gguf", "safetensors", "apr", "runtime", "sources", "deploy", "registry", "data")
        others = {f"hub_{name}" for name in names} - {source.name}
        for path in source.rglob("*.py"):
            assert others.isdisjoint(name.split(".")[0] for name in imports(path)), path


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from hub.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"numpy", "gguf", "safetensors", "tokenizers", "pluggy", "llama_cpp", "jinja2", "hub.plugins"}.isdisjoint(
        loaded
    )
