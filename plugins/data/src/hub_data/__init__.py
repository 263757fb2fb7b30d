"""Versions of training data: a manifest beside the files, signed as models are, with every version before it.

The form of a manifest, and whether files are those that it names, is `hub.signing.data`. What is here is imported when
it is first used: the commands' help needs none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub_data._add import Added, Order, add
    from hub_data._diff import Changed, Difference, diff
    from hub_data._history import version_of
    from hub_data._verify import Checked, verify

_MODULES = {
    "Added": "_add", "Changed": "_diff", "Checked": "_verify", "Difference": "_diff", "Order": "_add", "add": "_add",
    "diff": "_diff", "verify": "_verify", "version_of": "_history",
}  # fmt: skip

__all__ = ["Added", "Changed", "Checked", "Difference", "Order", "add", "diff", "verify", "version_of"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
