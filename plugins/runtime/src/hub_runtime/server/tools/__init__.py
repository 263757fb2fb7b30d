"""Tool calls: what the model writes when it calls a function, as its own chat template taught it."""

from hub_runtime.server.tools._asked import Use, forced, use_of
from hub_runtime.server.tools._reading import CallReader
from hub_runtime.server.tools._styles import STYLES, Style
from hub_runtime.server.tools._taught import Taught, taught

__all__ = ["STYLES", "CallReader", "Style", "Taught", "Use", "forced", "taught", "use_of"]
