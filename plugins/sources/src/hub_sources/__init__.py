"""Where models come from: Hugging Face, the web, package indexes and the own disk, every byte compared.

`bring` fetches the model at an address into place; the commands `import` and `pull` call it. Further kinds of address
are sources of other plugins (`hub.interface.Source`). Every command loads this package with `hub_sources.plugin`: what
is in it is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub_sources._bring import Brought, Order, bring
    from hub_sources._huggingface import HuggingFace
    from hub_sources._local import Local
    from hub_sources._pypi import PyPI
    from hub_sources._web import Web
    from hub_sources.interface import Obtained, Obtains, Part, Wish

_MODULES = {
    "Brought": "_bring", "HuggingFace": "_huggingface", "Local": "_local", "Obtained": "interface",
    "Obtains": "interface", "Order": "_bring", "Part": "interface", "PyPI": "_pypi", "Web": "_web", "Wish": "interface",
    "bring": "_bring",
}  # fmt: skip

__all__ = [
    "Brought",
    "HuggingFace",
    "Local",
    "Obtained",
    "Obtains",
    "Order",
    "Part",
    "PyPI",
    "Web",
    "Wish",
    "bring",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
