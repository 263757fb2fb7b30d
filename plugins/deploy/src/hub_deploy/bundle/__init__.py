"""`hub bundle`: a model and what runs it as one file, for machines that have Python and nothing else.

`bundle(Order(model, target))` makes one. The file is a program: `app` is what it does once `_boot`, which goes into it
as it stands, found it whole and the machine right.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub_deploy.bundle._make import Bundled, Order, bundle

__all__ = ["Bundled", "Order", "bundle"]


def __getattr__(name: str) -> Any:  # the app in a bundle makes none, and its start is measured in milliseconds
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}._make"), name)
