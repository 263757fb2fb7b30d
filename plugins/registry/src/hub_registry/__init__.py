"""One address for models: a store of content-addressed blobs under names, exchanged with OCI registries.

`Store` is an OCI image layout whose manifests follow CNCF's ModelPack; `add`, `pull`, `push`, `tag`, `rollback`,
`remove`, `sweep` and `check` are what the command `hub registry` calls. Every command loads this package with
`hub_registry.plugin`: what is in it is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub_registry._add import Placed, add
    from hub_registry._exchange import Pushed, pull, push
    from hub_registry._gc import GRACE, Swept, sweep
    from hub_registry._history import Move
    from hub_registry._manifest import Blob, Manifest
    from hub_registry._move import Listed, listed, remove, rollback, tag
    from hub_registry._names import STAGES, Address, Name
    from hub_registry._resolve import located
    from hub_registry._store import Store, usual_root
    from hub_registry._verify import Checked, Problem, check

__all__ = [
    "GRACE",
    "STAGES",
    "Address",
    "Blob",
    "Checked",
    "Listed",
    "Manifest",
    "Move",
    "Name",
    "Placed",
    "Problem",
    "Pushed",
    "Store",
    "Swept",
    "add",
    "check",
    "listed",
    "located",
    "pull",
    "push",
    "remove",
    "rollback",
    "sweep",
    "tag",
    "usual_root",
]

_MODULES = {
    "GRACE": "_gc", "STAGES": "_names", "Address": "_names", "Blob": "_manifest", "Checked": "_verify",
    "Listed": "_move", "Manifest": "_manifest", "Move": "_history", "Name": "_names", "Placed": "_add",
    "Problem": "_verify", "Pushed": "_exchange", "Store": "_store", "Swept": "_gc", "add": "_add", "check": "_verify",
    "listed": "_move", "located": "_resolve", "pull": "_exchange", "push": "_exchange", "remove": "_move",
    "rollback": "_move", "sweep": "_gc", "tag": "_move", "usual_root": "_store",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
