"""The plugins of this process: loading them, what they brought, and asking them who a file belongs to."""

from hub.plugins._load import load, registry
from hub.plugins._registry import HEAD, PluginInfo, Problem, Registry, extension
from hub.plugins._trace import traced

__all__ = ["HEAD", "PluginInfo", "Problem", "Registry", "extension", "load", "registry", "traced"]
